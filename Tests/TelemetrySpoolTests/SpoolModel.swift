import TelemetryModel

@testable import TelemetrySpool

/// What a spool promises, as plain values: no files, no transactions, no pages.
struct SpoolModel {
    struct Row: Equatable {
        /// Place in the order the rows came in.
        var order: Int
        var seed: UInt64
        var events: Int
        var bytes: Int
        var priority: Priority
        var createdMs: Int64
        var attempts: Int
        var retryAtMs: Int64
        var isClaimed = false
    }

    var rows: [Row] = []
    var ledger = Ledger()
    private var nextOrder = 0

    struct Mismatch: Error {
        var what: String
    }

    mutating func insert(_ chunk: Chunk, createdMs: Int64, attempts: Int = 0, retryAtMs: Int64 = 0) {
        rows.append(
            Row(
                order: nextOrder, seed: chunk.idsDigest, events: chunk.events, bytes: chunk.linesLength,
                priority: chunk.priority, createdMs: createdMs, attempts: attempts, retryAtMs: retryAtMs))
        nextOrder += 1
    }

    mutating func remove(seed: UInt64) { rows.removeAll { $0.seed == seed } }

    mutating func releaseAll() {
        for index in rows.indices { rows[index].isClaimed = false }
    }

    /// What a claim has to give, in order.
    func claim(_ order: ClaimOrder, maximumBytes: Int, maximumChunks: Int, nowMs: Int64) -> [UInt64] {
        let free = rows.filter { !$0.isClaimed }
        let untried = free.filter { $0.retryAtMs == 0 }.sorted { ($0.createdMs, $0.order) < ($1.createdMs, $1.order) }
        let waiting = free.filter { $0.retryAtMs > 0 }.sorted { ($0.retryAtMs, $0.order) < ($1.retryAtMs, $1.order) }
        let due = waiting.filter { $0.retryAtMs <= nowMs || $0.retryAtMs > nowMs + 3_630_000 }
        let passes: [(rows: [Row], bytes: Int, chunks: Int)] =
            switch order {
            case .oldestFirst:
                [
                    (due, maximumBytes / 2, max(1, maximumChunks / 2)), (untried, maximumBytes, maximumChunks),
                    (due, maximumBytes, maximumChunks),
                ]
            case .untriedFirst:
                [
                    (untried, maximumBytes / 2, max(1, maximumChunks / 2)), (due, maximumBytes, maximumChunks),
                    (untried, maximumBytes, maximumChunks),
                ]
            case .shutdown:
                [untried.filter { $0.priority == .failure }.reversed(), untried, due, waiting].map {
                    ($0, maximumBytes, maximumChunks)
                }
            }
        var taken: [UInt64] = []
        var bytes = 0
        for pass in passes {
            for row in pass.rows where !taken.contains(row.seed) {
                guard taken.count < pass.chunks, bytes < pass.bytes, taken.isEmpty || bytes + row.bytes <= pass.bytes
                else { break }
                taken.append(row.seed)
                bytes += row.bytes
            }
        }
        return taken
    }

    /// Takes over that these rows were discarded for want of space, if they were the right ones.
    mutating func evict(keeping seeds: Set<UInt64>) throws {
        let gone = rows.filter { !seeds.contains($0.seed) }
        let left = rows.filter { seeds.contains($0.seed) && !$0.isClaimed }
        for row in gone {
            if row.isClaimed { throw Mismatch(what: "a claimed chunk was discarded") }
            if let better = left.first(where: { ($0.priority, $0.createdMs) < (row.priority, row.createdMs) }) {
                throw Mismatch(what: "\(row) was discarded before \(better)")
            }
        }
        rows.removeAll { !seeds.contains($0.seed) }
        let events = gone.reduce(0) { $0 + $1.events }
        ledger.add(-events, .spooled)
        ledger.add(events, .discarded, LedgerReason.spoolFull)
    }

    func check(_ spool: Spool) throws {
        let books = spool.books.ledger
        if books.nonZero != ledger.nonZero { throw Mismatch(what: "books \(books.nonZero), model \(ledger.nonZero)") }
        if books.imbalance != 0 { throw Mismatch(what: "imbalance \(books.imbalance)") }
        func sums(_ rows: [Row]) -> ChunkSums {
            ChunkSums(
                chunks: rows.count, events: rows.reduce(0) { $0 + $1.events }, bytes: rows.reduce(0) { $0 + $1.bytes })
        }
        var backlog = Backlog()
        backlog.total = sums(rows)
        let free = rows.filter { !$0.isClaimed }
        backlog.claimed = sums(rows.filter(\.isClaimed))
        backlog.ready = sums(free.filter { $0.retryAtMs == 0 })
        backlog.waiting = sums(free.filter { $0.retryAtMs > 0 })
        backlog.oldestMs = free.filter { $0.retryAtMs == 0 }.map(\.createdMs).min()
        backlog.nextRetryMs = free.filter { $0.retryAtMs > 0 }.map(\.retryAtMs).min()
        if spool.backlog() != backlog { throw Mismatch(what: "backlog \(spool.backlog()), model \(backlog)") }
    }

    /// The rows as the database has them, for comparison with ours.
    static func seeds(in spool: Spool) throws -> [UInt64] {
        try spool.withStore { store throws(SpoolError) in
            var seeds: [UInt64] = []
            try store.connection.query("SELECT ids_digest FROM chunks ORDER BY id", during: "test") {
                seeds.append(UInt64(bitPattern: $0.integer(0)))
                return true
            }
            return seeds
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): the whole run follows from one printed number.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
