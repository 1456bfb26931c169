import TelemetryModel
import TelemetrySpool
import Testing

/// Invariant 2: the books balance after every transaction, and `spooled` is what the rows hold.
@Suite struct LedgerBalanceTests {
    let directory = TemporaryDirectory()
    let world = World()

    private func spool() throws -> Spool {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        return spool
    }

    @Test func `a settlement counts delivered, rejected and requeued events of the rows it removed`() throws {
        let spool = try spool()
        for seed in 0..<3 { try spool.append(chunks: [Fixtures.chunk(events: 10, seed: seed)]) }
        let claimed = try spool.claimAll()
        var settlement = Settlement()
        settlement.chunks = [
            ChunkSettlement(id: claimed[0].id, delivered: 10),
            ChunkSettlement(
                id: claimed[1].id, delivered: 7, rejected: [Fixtures.reject(), Fixtures.reject()], requeued: 1),
            ChunkSettlement(id: claimed[2].id, delivered: 6, requeued: 4),
        ]
        settlement.requeued = [
            RequeuedRow(
                chunk: Fixtures.chunk(events: 5, seed: 9), createdMs: claimed[1].createdMs, attempts: 1,
                retryAtMs: 2_000_000_000_000, sources: [(claimed[1].id, 1), (claimed[2].id, 4)])
        ]
        #expect(
            try spool.settle(settlement)
                == .settled(SettledCounts(chunks: 3, delivered: 23, rejected: 2, requeued: 5)))
        let ledger = spool.books.ledger
        #expect(ledger[.received, ""] == 30)
        #expect(ledger[.delivered, ""] == 23)
        #expect(ledger[.rejected, LedgerReason.document] == 2)
        #expect(ledger[.spooled, ""] == 5)
        #expect(ledger.imbalance == 0)
        #expect(spool.backlog().waiting == ChunkSums(chunks: 1, events: 5, bytes: 5000))
        #expect(spool.backlog().nextRetryMs == 2_000_000_000_000)
        #expect(try spool.claimAll(nowMs: 1_999_999_999_999).isEmpty)
        #expect(try spool.claimAll(nowMs: 2_000_000_000_000).first?.attempts == 1)
    }

    @Test func `two answers for the same chunks count once`() throws {
        let spool = try spool()
        try spool.append(chunks: [Fixtures.chunk(events: 4, seed: 1), Fixtures.chunk(events: 6, seed: 2)])
        let first = try spool.claimAll()
        spool.releaseAll()
        let second = try spool.claimAll()
        #expect(first.map(\.id) == second.map(\.id))
        try spool.deliver([first[0]])
        #expect(try spool.deliver(second) == .settled(SettledCounts(chunks: 1, delivered: 6, gone: 1)))
        #expect(spool.books.ledger[.delivered, ""] == 10)
        #expect(spool.books.ledger.imbalance == 0)
    }

    @Test func `a requeued row with events of a chunk that is gone changes nothing`() throws {
        let spool = try spool()
        try spool.append(chunks: [Fixtures.chunk(events: 4, seed: 1), Fixtures.chunk(events: 6, seed: 2)])
        let claimed = try spool.claimAll()
        spool.releaseAll()
        try spool.deliver([claimed[0]])
        let books = spool.books
        var settlement = Settlement()
        settlement.chunks = claimed.map { ChunkSettlement(id: $0.id, delivered: 3, requeued: $0.chunk.events - 3) }
        settlement.requeued = [
            RequeuedRow(
                chunk: Fixtures.chunk(events: 4), createdMs: 1, attempts: 1, retryAtMs: 5,
                sources: [(claimed[0].id, 1), (claimed[1].id, 3)])
        ]
        #expect(try spool.settle(settlement) == .conflict(gone: [claimed[0].id]))
        #expect(spool.books == books)
    }

    @Test func `a settlement whose numbers do not add up is refused whole`() throws {
        let spool = try spool()
        try spool.append(chunks: [Fixtures.chunk(events: 4)])
        let id = try #require(try spool.claimAll().first?.id)
        let books = spool.books
        var settlement = Settlement()
        settlement.chunks = [ChunkSettlement(id: id, delivered: 3)]
        #expect(throws: SpoolError.internal("settlement_events")) { try spool.settle(settlement) }
        settlement.chunks = [ChunkSettlement(id: id, delivered: 3, requeued: 1)]
        #expect(throws: SpoolError.internal("requeued_sources")) { try spool.settle(settlement) }
        settlement.chunks = [ChunkSettlement(id: id, delivered: 4), ChunkSettlement(id: id, delivered: 4)]
        #expect(throws: SpoolError.internal("settled_twice")) { try spool.settle(settlement) }
        #expect(spool.books == books)
    }

    @Test func `a chunk with a wrong CRC is discarded as corrupt and never handed out`() throws {
        let spool = try spool()
        var bad = Fixtures.chunk(events: 4, seed: 1)
        bad.stored[10] ^= 1
        try spool.append(chunks: [bad, Fixtures.chunk(events: 6, seed: 2)])
        #expect(try spool.claimAll().map(\.chunk.events) == [6])
        #expect(spool.books.ledger[.discarded, LedgerReason.corrupt] == 4)
        #expect(spool.books.ledger.imbalance == 0)
        #expect(world.notices.map(\.event) == ["discarded"])
    }

    @Test func `the recount finds nothing while rows come and go`() throws {
        do {
            let spool = try spool()
            for seed in 0..<1200 { try spool.append(chunks: [Fixtures.chunk(events: 3, bytes: 50, seed: seed)]) }
        }
        let spool = try spool()
        var slices = 0
        while spool.maintain(nowMs: 0).hasMore {
            slices += 1
            try spool.append(chunks: [Fixtures.chunk(events: 2, bytes: 50)])
            try spool.deliver(try spool.claim(.oldestFirst, maximumBytes: .max, maximumChunks: 100, nowMs: 0))
            try spool.deliver(try spool.claim(.shutdown, maximumBytes: .max, maximumChunks: 1, nowMs: 0))
        }
        #expect(slices >= 3)
        #expect(spool.books.ledger.total(.discarded) == 0)
        #expect(spool.books.ledger.imbalance == 0)
        #expect(world.notices.isEmpty)
    }

    @Test(arguments: [false, true])
    func `what the recount misses is discarded as unaccounted, with a line`(isBusy: Bool) throws {
        do {
            let spool = try spool()
            for seed in 0..<10 { try spool.append(chunks: [Fixtures.chunk(events: 3, seed: seed)]) }
            var settlement = Settlement()
            settlement.postponed = [2, 3, 4].map { Postponement(id: $0, attempts: 1, retryAtMs: 5) }
            _ = try spool.settle(settlement)
        }
        try directory.execute("DELETE FROM chunks WHERE id IN (2, 5)")
        let spool = try spool()
        if isBusy {
            // Before they are counted: one goes that waits, one that does not, and one begins to wait.
            var settlement = Settlement()
            settlement.chunks = [3, 6].map { ChunkSettlement(id: $0, delivered: 3) }
            settlement.postponed = [Postponement(id: 7, attempts: 1, retryAtMs: 5)]
            _ = try spool.settle(settlement)
        }
        while spool.maintain(nowMs: 0).hasMore {}
        let left = isBusy ? 6 : 8
        let sums = ChunkSums(chunks: left, events: left * 3, bytes: left * 5000)
        #expect(spool.backlog().total == sums)
        #expect(spool.backlog().waiting == ChunkSums(chunks: 2, events: 6, bytes: 10_000))
        try spool.append(chunks: [Fixtures.chunk(events: 3)])
        try spool.deliver(try spool.claimAll())
        #expect(spool.backlog() == Backlog())
        #expect(spool.books.ledger[.delivered, ""] == 27)
        #expect(spool.books.ledger[.spooled, ""] == 0)
        #expect(spool.books.ledger[.discarded, LedgerReason.unaccounted] == 6)
        #expect(spool.books.ledger.imbalance == 0)
        #expect(world.notices.map(\.event) == ["recount"])
    }

    @Test func `rows that the books do not know are counted as received`() throws {
        do {
            let spool = try spool()
            for seed in 0..<3 { try spool.append(chunks: [Fixtures.chunk(events: 3, seed: seed)]) }
        }
        try directory.execute("UPDATE environment SET chunks = 2, events = 6, bytes = 10000")
        try directory.execute("UPDATE ledger SET events = 6 WHERE outcome IN ('received', 'spooled')")
        let spool = try spool()
        while spool.maintain(nowMs: 0).hasMore {}
        #expect(spool.backlog().total == ChunkSums(chunks: 3, events: 9, bytes: 15_000))
        #expect(spool.books.ledger[.received, ""] == 9)
        #expect(spool.books.ledger.imbalance == 0)
    }

    @Test func `books are published with every commit`() throws {
        let spool = try spool()
        #expect(spool.books.ledger.total(.received) == 0)
        let revision = spool.books.metricRevision
        try spool.append(chunks: [Fixtures.chunk(events: 4)])
        #expect(spool.books.ledger[.spooled, ""] == 4)
        #expect(spool.books.metricRevision > revision)
    }
}
