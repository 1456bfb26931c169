/// One POST body, ready to be committed: everything that goes into the spool in one transaction.
package struct EncodedBatch: Sendable {
    /// Digest and number of events of the body, entered into the list of recent bodies; nil for what did not come as a
    /// body (held parts that are delivered as text).
    package var body: LastBody?
    package var chunks: [Chunk] = []
    /// Raw rests that are no JSON.
    package var rejects: [RejectedDocument] = []
    /// What this batch adds: `received` and where its events went, `spooled` for chunks and held parts included.
    package var ledger = Ledger()
    package var observations: [Observation] = []
    package var counters: [CounterIncrement] = []
    /// Request ids whose `platform.runtimeDone` or `platform.report` is in the body.
    package var finishedInvocations: [String] = []
    /// Request ids whose `platform.report` is in the body.
    package var reportedInvocations: [String] = []
    /// The state after this batch. `state.revision` is that of the state it was encoded against.
    package var state: IntakeState

    package init(state: IntakeState) {
        self.state = state
    }
}

/// A document or raw bytes that no back end will take, kept for inspection and replay.
package struct RejectedDocument: Equatable, Sendable {
    /// The `_id`, nil for what never became a document.
    package var id: String?
    /// The index it was meant for, nil likewise.
    package var index: String?
    /// HTTP status of the item, 0 when we refused it ourselves.
    package var status: Int
    /// The ledger's reason: one of ``LedgerReason``.
    package var reason: String
    /// `error.type` as answered, or a word of ours.
    package var errorType: String
    /// At most 1 KiB of what was answered. It may quote the document: never in a log line.
    package var errorReason: String
    /// The document line, or the raw bytes.
    package var content: [UInt8]

    package init(
        id: String? = nil, index: String? = nil, status: Int, reason: String, errorType: String, errorReason: String,
        content: [UInt8]
    ) {
        self.id = id
        self.index = index
        self.status = status
        self.reason = reason
        self.errorType = errorType
        self.errorReason = errorReason
        self.content = content
    }
}
