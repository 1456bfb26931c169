import TelemetryModel
import TelemetrySpool
import Testing

/// Invariant 1: the answer may leave once `append` has returned, because everything of the batch is committed then, and
/// nothing of it when `append` threw.
@Suite struct AckAfterCommitTests {
    let directory = TemporaryDirectory()
    let world = World()

    @Test func `what append returned for is there after a kill`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        for seed in 0..<20 { try spool.append(chunks: [Fixtures.chunk(events: 5, bytes: 3000, seed: seed)]) }
        // Files as a SIGKILL would leave them: no close, no checkpoint.
        let crashed = try directory.copyOfSpool()
        let successor = Spool(directory: crashed, options: world.options())
        #expect(successor.open() == .resumed)
        #expect(successor.environmentID == spool.environmentID)
        #expect(successor.books.ledger == spool.books.ledger)
        #expect(try successor.claimAll().map(\.chunk.idsDigest) == (0..<20).map { UInt64($0) })
    }

    /// Fails every single write of an append, in every way, and compares all that is visible with before.
    @Test(arguments: FaultyDisk.Fault.allCases)
    func `a failed commit leaves nothing in memory, and the next one succeeds`(fault: FaultyDisk.Fault) throws {
        var failures = 0
        for write in 1...200 {
            let directory = TemporaryDirectory()
            let disk = try FaultyDisk()
            let spool = Spool(directory: directory.spool, options: world.options(vfs: disk.name))
            try spool.opened()
            try spool.append(chunks: [Fixtures.chunk(seed: 1)])
            let books = spool.books
            let state = try spool.beginAppend().state
            let groups = try spool.metricGroups()
            let backlog = spool.backlog()

            disk.fail(fault, write: write)
            let ticket = try spool.beginAppend()
            let batch = Fixtures.batch(ticket, chunks: [Fixtures.chunk(bytes: 30_000, seed: 2)]) { batch in
                batch.state.invocationID = "r"
                batch.state.heldParts = [HeldPart(envelope: [1], value: [2], parts: 1, receivedMs: 1)]
                batch.ledger.add(1, .received)
                batch.ledger.add(1, .spooled)
                batch.observations = [Observation(family: "f_seconds", value: 1)]
                batch.counters = [CounterIncrement(family: CounterIncrement.platformDropped, count: 3)]
                batch.rejects = [Fixtures.reject()]
                batch.ledger.add(1, .received)
                batch.ledger.add(1, .rejected, LedgerReason.document)
            }
            do {
                try spool.append(batch)
                disk.heal()
                if failures == write - 1 { break }
                continue
            } catch {
                failures += 1
            }
            #expect(spool.books == books)
            #expect(try spool.beginAppend().state == state)
            #expect(try spool.metricGroups() == groups)
            #expect(spool.backlog() == backlog)
            let body = try #require(batch.body)
            #expect(spool.recall(body.digest) == nil)

            try spool.append(batch)
            #expect(spool.recall(body.digest) == 10)
            #expect(spool.books.ledger.imbalance == 0)
            #expect(spool.books.platformDropped == 3)
            #expect(try spool.claimAll().map(\.chunk.idsDigest) == [1, 2])
        }
        #expect(failures > 5)
    }
}
