import Deflate
import TelemetryModel
import TelemetrySinks
import TelemetrySpool

/// Turns the answer to a bulk request into what the spool has to change: pure but for the compressor.
///
/// Used when the answer does not simply confirm everything: then the chunks are inflated, each document is looked up by
/// its `_id`, and what must be sent again is gathered into one new row per index and way.
struct ItemSettlement {
    /// An ingest pipeline's failures: eight tries over at least a minute, then a reject.
    static let pipelineTries = 8
    static let pipelineWaits: [Duration] = [1, 2, 4, 8, 15, 15, 15].map { .seconds($0) }
    /// Between tries of what waits for an operator: a closed index, a missing right, a full disk.
    static let slowFloor: Duration = .seconds(5)

    /// A time to send a row again that has passed.
    static let atOnce: Int64 = 1

    let encoder: ChunkEncoder
    let nowMs: Int64
    let requestBytes: Int
    /// Draws the wait before the next try: (failures so far, floor).
    var wait: (Int, Duration) -> Duration

    /// A row's `attempts` below zero counts the tries of a pipeline that failed.
    private static func pipelineTries(of stored: StoredChunk) -> Int { max(0, -stored.attempts) }

    struct Result {
        var settlement: Settlement
        /// Documents that were confirmed.
        var delivered = 0
        /// Waits for the index or the cluster: for a notice.
        var unavailable = 0
        /// Sent again later, for back-pressure or a missing primary: for a notice.
        var retried = 0
        var rejected = 0
        /// The collection takes no ids.
        var idsUnsupported = false
    }

    /// Which way a document goes that was not delivered. Documents of one index and one way share a row.
    private enum Way: Hashable {
        /// The answer did not say: at once.
        case unconfirmed
        case safeShape
        /// A pipeline's failures are counted by themselves: back-pressure before must not use up the tries.
        case pipeline(tries: Int)
        case unavailable(slow: Bool)
        case retry
    }

    private struct Gathered {
        var lines: [UInt8] = []
        var events = 0
        var idsDigest: UInt64 = 0
        var priority = Priority.line
        var createdMs = Int64.max
        var attempts = 0
        var sources: [Int64: Int] = [:]
    }

    /// - Parameters:
    ///   - byPosition: the request carried no ids.
    ///   - gone: chunks that another flight has settled.
    func settle(
        _ chunks: [StoredChunk], _ answer: BulkAnswer, byPosition: Bool = false, skipping gone: Set<Int64> = []
    ) throws -> Result {
        let good = Set(answer.good)
        var failed: [[UInt8]: BulkAnswer.FailedItem] = [:]
        for item in answer.failed where failed[item.id] == nil { failed[item.id] = item }
        var failedAt: [Int: BulkAnswer.FailedItem] = [:]
        if byPosition { for item in answer.failed { failedAt[item.position] = item } }
        var position = -1

        var result = Result(settlement: Settlement())
        var gathered: [Key: Gathered] = [:]
        for stored in chunks {
            guard !gone.contains(stored.id) else {
                position += stored.chunk.events
                continue
            }
            let (lines, documents) = try stored.documents()
            var outcome = ChunkSettlement(id: stored.id, delivered: 0)
            var unconfirmed = 0
            var kept: [(BulkLines.Document, Way, [UInt8]?)] = []
            for document in documents {
                position += 1
                let id = Array(lines[document.id])
                let item = byPosition ? failedAt[position] : failed[id]
                let isGood =
                    byPosition ? item == nil && position < answer.items : good.contains(DocumentIDHash.hash(of: id))
                if isGood {
                    outcome.delivered += 1
                    continue
                }
                guard let item else {
                    unconfirmed += 1
                    kept.append((document, .unconfirmed, nil))
                    continue
                }
                let line = Array(lines[document.document])
                switch item.verdict {
                case .delivered: outcome.delivered += 1
                case .documentAtFault:
                    if SafeShape.isSafe(line) {
                        outcome.rejected.append(reject(documents, document, line, item, LedgerReason.document))
                    } else {
                        kept.append((document, .safeShape, SafeShape.document(from: line)))
                    }
                case .tooLarge:
                    outcome.rejected.append(reject(documents, document, line, item, LedgerReason.tooLarge))
                case .pipelineFailure:
                    let tries = Self.pipelineTries(of: stored)
                    if tries + 1 >= Self.pipelineTries {
                        outcome.rejected.append(reject(documents, document, line, item, LedgerReason.pipeline))
                    } else {
                        kept.append((document, .pipeline(tries: tries), nil))
                    }
                case .idUnsupported:
                    result.idsUnsupported = true
                    kept.append((document, .unconfirmed, nil))
                case .indexUnavailable(let slow):
                    kept.append((document, .unavailable(slow: slow), nil))
                    result.unavailable += 1
                case .retry:
                    kept.append((document, .retry, nil))
                    result.retried += 1
                }
            }
            // Nothing was said of any document: the row stays as it is and goes again.
            if unconfirmed == stored.chunk.events { continue }
            outcome.requeued = kept.count
            for (document, way, shaped) in kept {
                let key = Key(index: documents.text(document.index), way: way)
                add(document, shaped, of: lines, stored, to: &gathered[key, default: Gathered()])
            }
            result.delivered += outcome.delivered
            result.rejected += outcome.rejected.count
            result.settlement.chunks.append(outcome)
        }
        for (key, row) in gathered.sorted(by: { $0.value.createdMs < $1.value.createdMs }) {
            result.settlement.requeued += try rows(key, row)
        }
        return result
    }

    /// Two halves of a chunk that the back end finds too large, or that holds one poisoned document among others.
    func split(_ stored: StoredChunk) throws -> Settlement {
        let (lines, parsed) = try stored.documents()
        let documents = Array(parsed)
        let middle = documents.count / 2
        var settlement = Settlement()
        settlement.chunks = [ChunkSettlement(id: stored.id, delivered: 0, requeued: stored.chunk.events)]
        for half in [documents[..<middle], documents[middle...]] where !half.isEmpty {
            var row = Gathered()
            for document in half { add(document, nil, of: lines, stored, to: &row) }
            let indices = Set(half.map { String(decoding: lines[$0.index], as: UTF8.self) })
            settlement.requeued.append(
                try requeued(row, indices: indices.sorted(), attempts: stored.attempts, retryAtMs: Self.atOnce))
        }
        return settlement
    }

    /// The same chunk once more, later.
    func postponed(_ stored: StoredChunk, retryAtMs: Int64) -> Settlement {
        var settlement = Settlement()
        settlement.postponed = [
            Postponement(id: stored.id, attempts: max(0, stored.attempts) + 1, retryAtMs: retryAtMs)
        ]
        return settlement
    }

    /// All documents of a chunk among the rejects.
    func rejectAll(
        _ stored: StoredChunk, status: Int, reason: String, type: String, text: String
    ) throws -> Settlement {
        let (lines, documents) = try stored.documents()
        var outcome = ChunkSettlement(id: stored.id, delivered: 0)
        for document in documents {
            outcome.rejected.append(
                RejectedDocument(
                    id: documents.text(document.id), index: documents.text(document.index), status: status,
                    reason: reason, errorType: type, errorReason: text, content: Array(lines[document.document])))
        }
        var settlement = Settlement()
        settlement.chunks = [outcome]
        return settlement
    }

    // MARK: Rows

    private struct Key: Hashable {
        var index: String
        var way: Way
    }

    private func add(
        _ document: BulkLines.Document, _ shaped: [UInt8]?, of lines: [UInt8], _ stored: StoredChunk,
        to row: inout Gathered
    ) {
        if let shaped {
            row.lines += lines[document.action]
            row.lines += shaped
            row.lines.append(0x0a)
        } else {
            row.lines += lines[document.lines]
        }
        row.events += 1
        row.idsDigest &+= DocumentIDHash.hash(of: lines[document.id])
        row.priority = max(row.priority, stored.chunk.priority)
        row.createdMs = min(row.createdMs, stored.createdMs)
        row.attempts = max(row.attempts, stored.attempts)
        row.sources[stored.id, default: 0] += 1
    }

    private func rows(_ key: Key, _ row: Gathered) throws -> [RequeuedRow] {
        let attempts: Int =
            switch key.way {
            case .pipeline(let tries): -(tries + 1)
            case .unconfirmed, .safeShape: row.attempts
            case .unavailable, .retry: max(0, row.attempts) + 1
            }
        let interval: Duration? =
            switch key.way {
            case .unconfirmed, .safeShape: nil
            case .pipeline(let tries): Self.pipelineWaits[min(tries, Self.pipelineWaits.count - 1)]
            case .unavailable(let slow): wait(attempts, slow ? Self.slowFloor : .zero)
            case .retry: wait(attempts, .zero)
            }
        return [
            try requeued(
                row, indices: [key.index], attempts: attempts,
                retryAtMs: interval.map { nowMs + max(1, $0.milliseconds) } ?? Self.atOnce)
        ]
    }

    private func requeued(
        _ row: Gathered, indices: [String], attempts: Int, retryAtMs: Int64
    ) throws -> RequeuedRow {
        let deflated = try row.lines.withUnsafeBytes { try encoder.encode($0) }
        return RequeuedRow(
            chunk: Chunk(
                stored: deflated.stored, storedCRC: deflated.storedCRC, linesCRC: deflated.linesCRC,
                linesLength: row.lines.count, events: row.events, priority: row.priority, idsDigest: row.idsDigest,
                indices: indices),
            createdMs: row.createdMs, attempts: attempts, retryAtMs: retryAtMs,
            sources: row.sources.map { (chunk: $0.key, events: $0.value) })
    }

    private func reject(
        _ documents: BulkLines, _ document: BulkLines.Document, _ line: [UInt8], _ item: BulkAnswer.FailedItem,
        _ reason: String
    ) -> RejectedDocument {
        RejectedDocument(
            id: documents.text(document.id), index: documents.text(document.index), status: item.status,
            reason: reason, errorType: item.type, errorReason: item.reason, content: line)
    }
}

extension StoredChunk {
    /// The lines, and the documents in them: as many as the chunk was stored with, or it throws.
    func documents() throws(DeflateError) -> (lines: [UInt8], documents: BulkLines) {
        let lines = try Inflater.inflate(stored: chunk.stored, length: chunk.linesLength)
        let documents = BulkLines(lines)
        guard documents.reduce(0, { count, _ in count + 1 }) == chunk.events else { throw .length }
        return (lines, documents)
    }

    /// True when no try will ever read what the chunk was stored with.
    var isCorrupt: Bool {
        do throws(DeflateError) {
            _ = try documents()
            return false
        } catch {
            return switch error {
            case .corrupt, .length, .tooLarge: true
            case .outOfMemory, .level, .internal: false
            }
        }
    }
}
