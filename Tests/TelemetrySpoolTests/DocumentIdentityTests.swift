import TelemetryModel
import Testing

@testable import TelemetrySpool

/// Invariant 3, as far as the spool keeps it: numbers never come back, repeated bodies are recognised, and copies of a
/// snapshot get ids of their own.
@Suite struct DocumentIdentityTests {
    let directory = TemporaryDirectory()
    let world = World()

    @Test func `a number is drawn once, whatever becomes of its batch`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        var drawn: Set<UInt64> = []
        for round in 0..<10 {
            let ticket = try spool.beginAppend()
            #expect(drawn.insert(ticket.number).inserted)
            if round % 2 == 0 { try spool.append(Fixtures.batch(ticket, chunks: [Fixtures.chunk()])) }
        }
    }

    @Test func `numbers do not come back over restarts, even when the WAL lost its end`() throws {
        var highest: UInt64 = 0
        do {
            let spool = Spool(directory: directory.spool, options: world.options())
            try spool.opened()
            for _ in 0..<100 { highest = try spool.append(chunks: [Fixtures.chunk(bytes: 100)]) }
        }
        // One bad byte in the middle: SQLite ends its recovery there without a word.
        try directory.overwrite(directory.wal, at: 400_000, with: [0xff, 0xff, 0xff])
        let spool = Spool(directory: directory.spool, options: world.options())
        #expect(spool.open() == .resumed)
        #expect(try spool.beginAppend().number > highest)
        #expect(spool.books.unknownLosses)
        #expect(world.notices.map(\.event) == ["spool_commits_lost"])
        #expect(try spool.claimAll().count < 100)
    }

    @Test func `a number does not come back when the WAL lost everything but the tables`() throws {
        var first: UInt64 = 0
        var created = 0
        var environment: EnvironmentID?
        do {
            let spool = Spool(directory: directory.spool, options: world.options())
            #expect(spool.open() == .fresh)
            created = spool.withStoreForTest { $0.connection.framesInWAL }
            first = try spool.append(chunks: [Fixtures.chunk(bytes: 100)])
            environment = spool.environmentID
        }
        try directory.overwrite(
            directory.wal, at: 32 + created * SpoolSchema.frameSize + 1000, with: [0xff, 0xff, 0xff])
        let spool = Spool(directory: directory.spool, options: world.options())
        #expect(spool.open() == .resumed)
        #expect(spool.environmentID == environment)
        #expect(spool.backlog().isEmpty)
        #expect(try spool.beginAppend().number > first)
    }

    @Test func `the last 1,024 bodies are recognised, over a restart too`() throws {
        do {
            let spool = Spool(directory: directory.spool, options: world.options())
            try spool.opened()
            for seed in 1...1030 {
                try spool.append(chunks: [], body: Fixtures.body(seed, events: seed)) { $0.ledger = Ledger() }
            }
            // A repetition does not take a second place.
            try spool.append(chunks: [], body: Fixtures.body(1030, events: 1030)) { $0.ledger = Ledger() }
        }
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        #expect(spool.recall(Fixtures.body(6).digest) == nil)
        #expect(spool.recall(Fixtures.body(7).digest) == 7)
        #expect(spool.recall(Fixtures.body(1030).digest) == 1030)
    }

    @Test func `under SnapStart there is no id before the first sign, and copies get different ones`() throws {
        let spool = Spool(directory: directory.spool, options: world.options(snapStart: true))
        #expect(spool.open() == .fresh)
        #expect(spool.environmentID == nil)
        let ticket = try spool.beginAppend()
        #expect(ticket.state.identity == .snapshot)
        try spool.append(chunks: [Fixtures.chunk()]) {
            $0.observations = [Observation(family: "f_seconds", value: 1)]
        }
        #expect(try spool.metricGroups().isEmpty)

        let copies = [try directory.copyOfSpool(), try directory.copyOfSpool()].map {
            Spool(directory: $0, options: world.options(snapStart: true))
        }
        var ids: Set<String> = []
        for copy in copies {
            #expect(copy.open() == .resumed)
            let before = try copy.beginAppend()
            try copy.establishEnvironment()
            let id = try #require(copy.environmentID)
            ids.insert(id.text)
            #expect(try copy.beginAppend().state.identity == .environment(id))
            // What was encoded with the ids of the snapshot is encoded again.
            #expect(throws: SpoolError.stale) { try copy.append(Fixtures.batch(before, chunks: [Fixtures.chunk()])) }
            try copy.establishEnvironment()
            #expect(copy.environmentID == id)
            #expect(try copy.metricGroups().first?.summaries.isEmpty == true)
        }
        #expect(ids.count == 2)
    }

    @Test func `an acknowledgement that was not written in full makes the next body uncertain`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        #expect(try spool.beginAppend().state.lastAcknowledgementUncertain)
        try spool.append(chunks: [Fixtures.chunk()])
        spool.acknowledged(inFull: true)
        #expect(try !spool.beginAppend().state.lastAcknowledgementUncertain)
        try spool.append(chunks: [Fixtures.chunk()])
        #expect(try spool.beginAppend().state.lastAcknowledgementUncertain)
        spool.acknowledged(inFull: false)
        #expect(try spool.beginAppend().state.lastAcknowledgementUncertain)
        spool.acknowledged(inFull: true)
        // Held parts that are delivered as text are nobody's body.
        let ticket = try spool.beginAppend()
        var released = EncodedBatch(state: ticket.state)
        released.state.lastAcknowledgementUncertain = true
        try spool.append(released)
        #expect(try !spool.beginAppend().state.lastAcknowledgementUncertain)
    }
}
