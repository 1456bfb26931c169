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
