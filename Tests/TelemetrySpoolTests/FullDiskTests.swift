import Synchronization
import TelemetryModel
import TelemetrySpool
import Testing

/// The function has filled the disk: no file gets a block it does not have.
@Suite struct FullDiskTests {
    let directory = TemporaryDirectory()
    let world = World()

    /// Stops at every length of the WAL between a checkpoint and the next, for what is in it decides what is possible.
    @Test(arguments: [0, 1, 3, 9, 10, 11, 30, 75])
    func `a disk that fills up while there is a backlog drains it`(appendsSinceCheckpoint: Int) throws {
        let disk = try FaultyDisk()
        let spool = Spool(directory: directory.spool, options: world.options(vfs: disk.name))
        try spool.opened()
        for seed in 0..<60 { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)]) }
        while spool.maintain(nowMs: 0).hasMore {}
        for seed in 60..<60 + appendsSinceCheckpoint {
            try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)])
        }
        disk.fillUp()
        world.free.store(0, ordering: .relaxed)
        var rounds = 0
        while !spool.backlog().isEmpty, rounds < 100 {
            rounds += 1
            try spool.deliver(try spool.claim(.oldestFirst, maximumBytes: 2_500_000, maximumChunks: 1000, nowMs: 0))
            // A POST now and then, which may be refused, must not take the room that settling needs.
            _ = try? spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 300_000, seed: 1000 + rounds)])
            _ = spool.maintain(nowMs: 0)
            if rounds > 40 { break }
        }
        while true {
            let rest = try spool.claimAll()
            if rest.isEmpty { break }
            try spool.deliver(rest)
        }
        let ledger = spool.books.ledger
        #expect(spool.backlog().isEmpty)
        #expect(ledger.imbalance == 0)
        #expect(ledger.total(.discarded) == 0)
        #expect(ledger[.delivered, ""] == ledger[.received, ""])
        #expect(ledger[.received, ""] >= 60 + appendsSinceCheckpoint)
    }

    /// 3,000 chunks of two events in the database, and no room beside them.
    private func smallChunks(filling disk: FaultyDisk) throws -> Spool {
        let spool = Spool(directory: directory.spool, options: world.options(vfs: disk.name))
        try spool.opened()
        for seed in 0..<300 {
            try spool.append(
                chunks: (0..<10).map { Fixtures.chunk(events: 2, bytes: 1000, seed: seed * 10 + $0) })
        }
        while spool.maintain(nowMs: 0).hasMore {}
        disk.fillUp()
        world.free.store(0, ordering: .relaxed)
        world.advance(2000)
        return spool
    }

    /// Rows that lie three on a page, of which one goes: each takes a frame of the WAL.
    @Test func `a request of small scattered chunks is settled on a full disk`() throws {
        let disk = try FaultyDisk()
        let spool = try smallChunks(filling: disk)
        var claimed: [StoredChunk] = []
        for _ in 0..<3 { claimed += try spool.claimAll() }
        #expect(claimed.count == 3000)
        let third = claimed.filter { $0.id % 3 == 0 }
        var settlement = Settlement()
        settlement.chunks = third.map { ChunkSettlement(id: $0.id, delivered: 2) }
        settlement.chunks[0] = ChunkSettlement(
            id: third[0].id, delivered: 0, rejected: [Fixtures.reject()], requeued: 1)
        settlement.requeued = [
            RequeuedRow(
                chunk: Fixtures.chunk(events: 1, bytes: 500, seed: 9999), createdMs: 1, attempts: 1, retryAtMs: 5,
                sources: [(chunk: third[0].id, events: 1)])
        ]
        settlement.postponed = claimed.filter { $0.id % 3 == 1 }.map {
            Postponement(id: $0.id, attempts: 1, retryAtMs: 7)
        }
        #expect(
            try spool.settle(settlement)
                == .settled(SettledCounts(chunks: 1000, delivered: 1998, rejected: 1, requeued: 1)))
        let ledger = spool.books.ledger
        #expect(ledger.imbalance == 0)
        #expect(ledger[.delivered, ""] == 1998)
        #expect(ledger[.spooled, ""] == 4001)
        let backlog = spool.backlog()
        #expect(backlog.total == ChunkSums(chunks: 2001, events: 4001, bytes: 2000 * 5000 + 2500))
        #expect(backlog.waiting.chunks == 1001)
        #expect(backlog.claimed.chunks == 1000)
    }

    @Test func `what a full disk cannot gather to be sent again waits where it is`() throws {
        let disk = try FaultyDisk()
        let spool = try smallChunks(filling: disk)
        let sources = (1...3000).filter { $0 % 3 == 0 }.map { Int64($0) }
        var settlement = Settlement()
        settlement.chunks = sources.map { ChunkSettlement(id: $0, delivered: 1, requeued: 1) }
        settlement.chunks.append(ChunkSettlement(id: 1, delivered: 2))
        settlement.requeued = [
            RequeuedRow(
                chunk: Fixtures.chunk(events: 1000, bytes: 500_000, seed: 9999), createdMs: 1, attempts: 1,
                retryAtMs: 5, sources: sources.map { (chunk: $0, events: 1) })
        ]
        #expect(try spool.settle(settlement) == .settled(SettledCounts(chunks: 1, delivered: 2)))
        #expect(spool.backlog().total.chunks == 2999)
        #expect(spool.backlog().waiting.chunks == 1000)
        #expect(spool.books.ledger[.spooled, ""] == 5998)
        #expect(spool.books.ledger.imbalance == 0)
        let due = try spool.claim(.oldestFirst, maximumBytes: .max / 2, maximumChunks: 10, nowMs: 5)
        #expect(due.contains { $0.id % 3 == 0 && $0.attempts == 0 })
        disk.heal()
        world.free.store(10 << 30, ordering: .relaxed)
        world.advance(2000)
        #expect(
            try spool.settle(settlement)
                == .settled(SettledCounts(chunks: 1000, delivered: 1000, requeued: 1000, gone: 1)))
        #expect(spool.backlog().waiting.chunks == 1)
    }

    @Test func `appends fail as full while the disk is, and succeed by themselves afterwards`() throws {
        let disk = try FaultyDisk()
        let spool = Spool(directory: directory.spool, options: world.options(vfs: disk.name))
        try spool.opened()
        disk.fillUp()
        var accepted = 0
        #expect(throws: SpoolError.full) {
            while true {
                try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 300_000)])
                accepted += 1
            }
        }
        disk.heal()
        try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 300_000)])
        #expect(spool.books.ledger[.received, ""] == accepted + 1)
        #expect(try spool.claimAll().count == accepted + 1)
        #expect(spool.isOpen)
    }
}
