/// What the answer to one bulk request says, item by item.
package struct BulkAnswer: Equatable, Sendable {
    /// Items that were read whole, whatever they say. Fewer than documents sent is an answer that confirms only these.
    package var items = 0
    /// ``DocumentIDHash`` of each item's `_id` that is stored (2xx, or 409 because it was there before), in order of
    /// the answer.
    ///
    /// Hashes, 8 bytes an item, because ids are needed only to be compared: `goodDigest` settles the usual case in
    /// which all went well, and a set of these tells which documents of a request are confirmed when something did not.
    /// Two ids of one request that share a hash are a matter of 2⁻³⁵ for a request of 25,000 documents.
    package var good: [UInt64] = []
    /// The wrapping sum of `good`.
    package var goodDigest: UInt64 = 0
    /// Items with any other status, in order of the answer.
    package var failed: [FailedItem] = []
    /// The JSON ended as it should. False for an answer that was cut off, HTML, an empty body.
    package var isComplete = false
    /// The body began as a JSON object and nothing spoke against it, cut off or not.
    package var isJSON = false
    /// The error of the request as a whole.
    package var requestError: RequestError?

    package init() {}

    /// True when the answer confirms exactly the documents whose ids' hashes add up to `digest`.
    package func confirmsAll(events: Int, digest: UInt64) -> Bool {
        items == events && good.count == events && goodDigest == digest
    }

    package struct FailedItem: Equatable, Sendable {
        /// Of the item in the answer, from 0. Only for requests without ids: an ingest pipeline may shuffle the items.
        package var position: Int
        /// The bytes of the `_id`; empty when the answer gives none.
        package var id: [UInt8]
        package var status: Int
        /// `error.type`, at most 128 bytes; empty without one.
        package var type: String
        /// `error.reason`, kept when the verdict may end in a reject, at most 1 KiB and shorter once an answer's
        /// reasons pass 1 MiB. It may quote the document: never in a log line.
        package var reason: String
        /// Made from the reason before it is cut or let go.
        package var verdict: ItemVerdict
    }

    package struct RequestError: Equatable, Sendable {
        package var type: String
        /// At most 1 KiB.
        package var reason: String
        /// As the body says it, nil without.
        package var status: Int?
    }
}
