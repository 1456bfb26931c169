import TelemetryModel
import TelemetrySpool
import Testing

@Suite struct ClaimTests {
    let directory = TemporaryDirectory()
    let world = World()

    private func spool() throws -> Spool {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        return spool
    }

    /// Sends a chunk back to wait until `retryAtMs`, as a request of its own.
    private func requeue(_ stored: StoredChunk, retryAtMs: Int64, in spool: Spool) throws {
        var settlement = Settlement()
        settlement.chunks = [ChunkSettlement(id: stored.id, delivered: 0, requeued: stored.chunk.events)]
        settlement.requeued = [
            RequeuedRow(
                chunk: stored.chunk, createdMs: stored.createdMs, attempts: stored.attempts + 1, retryAtMs: retryAtMs,
                sources: [(stored.id, stored.chunk.events)])
        ]
        _ = try spool.settle(settlement)
    }

    @Test func `a request is bounded by bytes and chunks, but takes one chunk whatever its size`() throws {
        let spool = try spool()
        for seed in 0..<5 { try spool.append(chunks: [Fixtures.chunk(bytes: 1000, seed: seed)]) }
        let byBytes = try spool.claim(.oldestFirst, maximumBytes: 12_000, maximumChunks: 10, nowMs: 0)
        #expect(byBytes.map(\.chunk.idsDigest) == [0, 1])
        let byCount = try spool.claim(.oldestFirst, maximumBytes: 1 << 20, maximumChunks: 1, nowMs: 0)
        #expect(byCount.map(\.chunk.idsDigest) == [2])
        let tooLarge = try spool.claim(.oldestFirst, maximumBytes: 10, maximumChunks: 10, nowMs: 0)
        #expect(tooLarge.map(\.chunk.idsDigest) == [3])
        spool.release(byBytes.map(\.id))
        #expect(try spool.claimAll().map(\.chunk.idsDigest) == [0, 1, 4])
    }

    @Test func `a request never has more than 1,000 chunks`() throws {
        let spool = try spool()
        try spool.append(chunks: (0..<1100).map { Fixtures.chunk(events: 1, bytes: 60, seed: $0) })
        #expect(try spool.claim(.oldestFirst, maximumBytes: .max, maximumChunks: .max, nowMs: 0).count == 1000)
        #expect(try spool.claimAll().count == 100)
        #expect(spool.backlog().claimed.chunks == 1100)
    }

    @Test func `many holds of the mutex give what one would`() throws {
        let spool = try spool()
        // 40 chunks of 60 KB: ten holds of at most 256 KiB of blobs.
        for seed in 0..<40 { try spool.append(chunks: [Fixtures.chunk(bytes: 60_000, seed: seed)]) }
        #expect(try spool.claimAll().map(\.chunk.idsDigest) == (0..<40).map { UInt64($0) })
    }

    @Test func `rows that are not due are not read, and the due ones get half of a request`() throws {
        let spool = try spool()
        for seed in 0..<8 {
            world.advance(1)
            try spool.append(chunks: [Fixtures.chunk(bytes: 1000, seed: seed)])
        }
        let first = try spool.claim(.oldestFirst, maximumBytes: 20_000, maximumChunks: 10, nowMs: 0)
        for (index, stored) in first.enumerated() { try requeue(stored, retryAtMs: index < 3 ? 100 : 1000, in: spool) }
        #expect(spool.backlog().ready.chunks == 4)
        #expect(spool.backlog().waiting.chunks == 4)
        #expect(spool.backlog().nextRetryMs == 100)

        #expect(try spool.claimAll(nowMs: 99).map(\.chunk.idsDigest) == [4, 5, 6, 7])
        spool.releaseAll()
        let mixed = try spool.claim(.oldestFirst, maximumBytes: 20_000, maximumChunks: 10, nowMs: 100)
        #expect(mixed.map(\.chunk.idsDigest) == [0, 1, 4, 5])
        #expect(mixed.map(\.attempts) == [1, 1, 0, 0])
        spool.releaseAll()
        let changedRound = try spool.claim(.untriedFirst, maximumBytes: 20_000, maximumChunks: 10, nowMs: 100)
        #expect(changedRound.map(\.chunk.idsDigest) == [4, 5, 0, 1])
        spool.releaseAll()
        #expect(try spool.claimAll(nowMs: 1000).count == 8)
    }

    @Test func `a row put off for longer than anything asks for was written by another clock, and is due`() throws {
        let spool = try spool()
        for seed in 0..<2 { try spool.append(chunks: [Fixtures.chunk(bytes: 1000, seed: seed)]) }
        let hour: Int64 = 3_600_000
        for (stored, wait) in zip(try spool.claimAll(), [hour + 30_000, hour + 30_001]) {
            try requeue(stored, retryAtMs: 1_000 + wait, in: spool)
        }
        #expect(!spool.backlog().isRetryDue(nowMs: 1_000))
        #expect(try spool.claimAll(nowMs: 1_000).map(\.chunk.idsDigest) == [1])
        spool.releaseAll()
        #expect(spool.backlog().isRetryDue(nowMs: 999))
        #expect(try spool.claimAll(nowMs: 999).map(\.chunk.idsDigest) == [0, 1])
    }

    @Test func `at SHUTDOWN failures come newest first, then the oldest, and rows that are not due last`() throws {
        let spool = try spool()
        let priorities: [Priority] = [.line, .failure, .platform, .failure, .line]
        for (seed, priority) in priorities.enumerated() {
            world.advance(1)
            try spool.append(chunks: [Fixtures.chunk(priority: priority, seed: seed)])
        }
        let oldest = try spool.claim(.oldestFirst, maximumBytes: 1, maximumChunks: 1, nowMs: 0)
        try requeue(oldest[0], retryAtMs: 5000, in: spool)
        #expect(try spool.claimAll(.shutdown, nowMs: 1).map(\.chunk.idsDigest) == [3, 1, 2, 4, 0])
    }

    @Test func `a postponed row stays in place and waits`() throws {
        let spool = try spool()
        try spool.append(chunks: [Fixtures.chunk(events: 3)])
        let stored = try #require(try spool.claimAll().first)
        var settlement = Settlement()
        settlement.postponed = [Postponement(id: stored.id, attempts: 1, retryAtMs: 500)]
        #expect(try spool.settle(settlement) == .settled(SettledCounts()))
        #expect(spool.backlog().waiting.events == 3)
        #expect(spool.backlog().ready.chunks == 0)
        #expect(try spool.claimAll(nowMs: 499).isEmpty)
        let again = try #require(try spool.claimAll(nowMs: 500).first)
        #expect(again.id == stored.id)
        #expect(again.attempts == 1)
        try spool.deliver([again])
        #expect(spool.backlog() == Backlog())
    }

    @Test func `claims end with the process`() throws {
        do {
            let spool = try spool()
            try spool.append(chunks: [Fixtures.chunk()])
            #expect(try spool.claimAll().count == 1)
        }
        #expect(try spool().claimAll().count == 1)
    }

    @Test func `the oldest age is that of what nobody has claimed`() throws {
        let spool = try spool()
        try spool.append(chunks: [Fixtures.chunk(seed: 1)])
        world.advance(50)
        try spool.append(chunks: [Fixtures.chunk(seed: 2)])
        #expect(spool.backlog().oldestMs == 1_700_000_000_000)
        let claimed = try spool.claim(.oldestFirst, maximumBytes: 1, maximumChunks: 1, nowMs: 0)
        #expect(spool.backlog().oldestMs == 1_700_000_000_050)
        spool.release(claimed.map(\.id))
        #expect(spool.backlog().oldestMs == 1_700_000_000_000)
    }
}
