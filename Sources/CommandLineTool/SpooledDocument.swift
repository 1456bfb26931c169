import Deflate
import TelemetryModel
import TelemetrySinks
import TelemetrySpool

/// One document on its way out of a copied spool: its two bulk lines, with their newlines.
struct SpooledDocument {
    var id: [UInt8]
    var lines: [UInt8]
}

/// Goes through the documents of a copied spool, a few chunks at a time.
struct SpooledDocuments {
    /// Chunks whose stored bytes or lines are damaged.
    private(set) var damagedChunks = 0
    /// Rejects that never became documents: raw rests of bodies that are no JSON.
    private(set) var rawRejects = 0

    /// What waits, in the order it came in.
    mutating func backlog(_ reader: SpoolReader, _ body: (SpooledDocument) -> Void) throws(SpoolError) {
        var last: Int64 = 0
        while true {
            let some = try reader.chunks(after: last, count: 8)
            guard let end = some.last else { return }
            last = end.id
            for stored in some {
                guard let lines = Self.lines(of: stored.chunk) else {
                    damagedChunks += 1
                    continue
                }
                for document in BulkLines(lines) {
                    body(SpooledDocument(id: Array(lines[document.id]), lines: Array(lines[document.lines])))
                }
            }
        }
    }

    mutating func rejects(_ reader: SpoolReader, _ body: (SpooledDocument) -> Void) throws(SpoolError) {
        var last: Int64 = 0
        while true {
            let some = try reader.rejects(after: last, count: 256)
            guard let end = some.last else { return }
            last = end.id
            for reject in some {
                guard let document = SpooledDocument(reject.document) else {
                    rawRejects += 1
                    continue
                }
                body(document)
            }
        }
    }

    private static func lines(of chunk: Chunk) -> [UInt8]? {
        guard chunk.stored.withUnsafeBytes(CRC32.of) == chunk.storedCRC else { return nil }
        return try? Inflater.inflate(stored: chunk.stored, length: chunk.linesLength)
    }
}

extension SpooledDocument {
    /// Nil for what has no id and index, and so is no document.
    init?(_ reject: RejectedDocument) {
        // Both come from an action line of our own and need no escaping; what does is none of ours.
        guard let id = reject.id, let index = reject.index, !id.isEmpty, !index.isEmpty,
            !(id + index).utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }),
            !reject.content.contains(0x0a)
        else { return nil }
        self.id = Array(id.utf8)
        self.lines =
            Array("{\"create\":{\"_index\":\"\(index)\",\"_id\":\"\(id)\"}}\n".utf8) + reject.content + [0x0a]
    }
}
