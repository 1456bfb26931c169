import TelemetryModel
import TelemetrySpool
import Testing

@Suite struct SpoolTests {
    let directory = TemporaryDirectory()
    let world = World()

    @Test func `an appended chunk is claimed as it was, settled, and gone`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        #expect(spool.open() == .fresh)
        let chunk = Fixtures.chunk(events: 7, bytes: 9000, priority: .platform, seed: 5)
        try spool.append(chunks: [chunk])
        #expect(spool.backlog().ready == ChunkSums(chunks: 1, events: 7, bytes: 45_000))
        let claimed = try spool.claimAll()
        let first = try #require(claimed.first)
        #expect(claimed.count == 1)
        #expect(first.chunk.stored == chunk.stored)
        #expect(first.chunk.storedCRC == chunk.storedCRC)
        #expect(first.chunk.linesCRC == chunk.linesCRC)
        #expect(first.chunk.idsDigest == chunk.idsDigest)
        #expect(first.chunk.indices == chunk.indices)
        #expect(first.chunk.priority == .platform)
        #expect(first.createdMs == 1_700_000_000_000)
        #expect(try spool.claimAll().isEmpty)
        #expect(try spool.deliver(claimed) == .settled(SettledCounts(chunks: 1, delivered: 7)))
        #expect(spool.backlog().isEmpty)
        #expect(spool.books.ledger[.delivered, ""] == 7)
        #expect(spool.books.ledger[.spooled, ""] == 0)
        #expect(spool.books.ledger.imbalance == 0)
    }

    @Test func `what was committed is there after a close and an open`() throws {
        let state: IntakeState
        do {
            let spool = Spool(directory: directory.spool, options: world.options())
            try spool.opened()
            try spool.append(chunks: [Fixtures.chunk(events: 3)]) { batch in
                batch.state.invocationID = "request-1"
                batch.state.heldParts = [
                    HeldPart(envelope: [1, 2], value: [3], parts: 2, receivedMs: 9, isOfSnapshot: true)
                ]
                batch.ledger.add(2, .received)
                batch.ledger.add(1, .joined)
                batch.ledger.add(1, .spooled)
                batch.observations = [Observation(family: "permafrost_invocation_duration_seconds", value: 0.25)]
                batch.counters = [CounterIncrement(family: CounterIncrement.invocations, labelValue: "success")]
            }
            state = try spool.beginAppend().state
        }
        let spool = Spool(directory: directory.spool, options: world.options())
        #expect(spool.open() == .resumed)
        let ticket = try spool.beginAppend()
        #expect(ticket.state.identity == state.identity)
        #expect(ticket.state.invocationID == "request-1")
        #expect(ticket.state.heldParts == state.heldParts)
        #expect(ticket.state.lastBody == state.lastBody)
        #expect(ticket.state.lastAcknowledgementUncertain)
        #expect(ticket.number > 1)
        #expect(spool.books.ledger[.spooled, ""] == 4)
        let group = try #require(try spool.metricGroups().first)
        #expect(group.instance == spool.environmentID?.text)
        #expect(group.summaries.first?.sketch.sum == 0.25)
        #expect(group.counters == [.init(family: CounterIncrement.invocations, labelValue: "success", count: 1)])
        #expect(try spool.claimAll().map(\.chunk.events) == [3])
    }

    @Test func `a batch that was encoded against an older state is refused as stale`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        let ticket = try spool.beginAppend()
        try spool.append(chunks: [Fixtures.chunk()])
        #expect(throws: SpoolError.stale) {
            try spool.append(Fixtures.batch(ticket, chunks: [Fixtures.chunk()]))
        }
        #expect(spool.backlog().chunks == 1)
    }
}
