package import TelemetryModel

/// What one answered request means for the chunks it held.
package struct Settlement: Sendable {
    package var chunks: [ChunkSettlement] = []
    /// New rows that hold what of `chunks` must be sent again.
    package var requeued: [RequeuedRow] = []
    /// Rows that stay as they are, for later.
    package var postponed: [Postponement] = []
    /// At SHUTDOWN: what has to wait stays claimed until the process ends, so that the drain tries it once and not for
    /// ever.
    package var holdsWaiting = false

    package init() {}
}

extension Settlement {
    /// The same in settlements of at most `count` rows each; only what becomes a ``RequeuedRow`` stays together, and comes
    /// last, when the others have made room for it.
    func parts(of count: Int) -> [Settlement] {
        var parts: [Settlement] = []
        func part(_ fill: (inout Settlement) -> Void) {
            var part = Settlement()
            part.holdsWaiting = holdsWaiting
            fill(&part)
            parts.append(part)
        }
        let whole = chunks.filter { $0.requeued == 0 }
        for start in stride(from: 0, to: whole.count, by: count) {
            part { $0.chunks = Array(whole[start..<min(start + count, whole.count)]) }
        }
        for start in stride(from: 0, to: postponed.count, by: count) {
            part { $0.postponed = Array(postponed[start..<min(start + count, postponed.count)]) }
        }
        let sources = chunks.filter { $0.requeued > 0 }
        if !sources.isEmpty || !requeued.isEmpty {
            part {
                $0.chunks = sources
                $0.requeued = requeued
            }
        }
        return parts
    }
}

extension Settlement {
    /// In place of the rows to send again all of what they are made of waits, as long as the first of them would.
    var sourcesPostponed: Settlement {
        var settlement = Settlement()
        settlement.holdsWaiting = holdsWaiting
        let retryAtMs = requeued.map(\.retryAtMs).min() ?? 1
        settlement.postponed = chunks.map { Postponement(id: $0.id, attempts: nil, retryAtMs: retryAtMs) }
        return settlement
    }
}

/// A row to remove, and what became of each of its events: the three numbers add up to the row's events.
package struct ChunkSettlement: Sendable {
    package var id: Int64
    package var delivered: Int
    /// Each counts as one event, under its reason.
    package var rejected: [RejectedDocument]
    /// Events of this row in the settlement's ``RequeuedRow``s.
    package var requeued: Int

    package init(id: Int64, delivered: Int, rejected: [RejectedDocument] = [], requeued: Int = 0) {
        self.id = id
        self.delivered = delivered
        self.rejected = rejected
        self.requeued = requeued
    }
}

/// Documents that must be sent again, gathered from the chunks of one request, their ids unchanged.
package struct RequeuedRow: Sendable {
    package var chunk: Chunk
    /// The oldest of its sources'.
    package var createdMs: Int64
    package var attempts: Int
    /// When it may be sent again, milliseconds since 1970; at least 1.
    package var retryAtMs: Int64
    /// Which chunks the events come from: the counts add up to `chunk.events`.
    package var sources: [(chunk: Int64, events: Int)]

    package init(
        chunk: Chunk, createdMs: Int64, attempts: Int, retryAtMs: Int64, sources: [(chunk: Int64, events: Int)]
    ) {
        self.chunk = chunk
        self.createdMs = createdMs
        self.attempts = attempts
        self.retryAtMs = retryAtMs
        self.sources = sources
    }
}

/// A row all of whose documents must be sent again: it stays in place.
package struct Postponement: Sendable {
    package var id: Int64
    /// Nil: as before.
    package var attempts: Int?
    /// When it may be sent again, milliseconds since 1970; at least 1.
    package var retryAtMs: Int64

    package init(id: Int64, attempts: Int?, retryAtMs: Int64) {
        self.id = id
        self.attempts = attempts
        self.retryAtMs = retryAtMs
    }
}

package enum SettlementResult: Equatable, Sendable {
    case settled(SettledCounts)
    /// These chunks have been settled or discarded by somebody else, and a ``RequeuedRow`` holds events of theirs.
    /// Nothing has changed: build the settlement without them.
    case conflict(gone: [Int64])
}

/// What a settlement's own transaction removed and counted.
package struct SettledCounts: Equatable, Sendable {
    package var chunks = 0
    package var delivered = 0
    package var rejected = 0
    package var requeued = 0
    /// Chunks that were gone: nothing of them counted.
    package var gone = 0

    package init(chunks: Int = 0, delivered: Int = 0, rejected: Int = 0, requeued: Int = 0, gone: Int = 0) {
        self.chunks = chunks
        self.delivered = delivered
        self.rejected = rejected
        self.requeued = requeued
        self.gone = gone
    }

    mutating func add(_ other: SettledCounts) {
        chunks += other.chunks
        delivered += other.delivered
        rejected += other.rejected
        requeued += other.requeued
        gone += other.gone
    }
}
