import Deflate
import TelemetryIntake
import TelemetryModel
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

@Suite struct IngestTests {
    private func ingest(
        _ fixture: SpoolFixture, _ mailbox: FlushMailbox, events: Int = 1_000,
        progress: InvocationProgress = InvocationProgress()
    ) throws -> Ingest {
        Ingest(
            spool: fixture.spool, encoder: try BatchEncoder(configuration: SpoolFixture.intake()),
            function: FunctionIdentityBox(FunctionIdentity(name: "checkout", version: "7")),
            policy: FlushPolicy(events: events, bytes: 1 << 30, age: .seconds(3600)), mailbox: mailbox,
            progress: progress, notice: { _ in })
    }

    private func post(_ ingest: Ingest, _ body: String) -> Ingest.Outcome {
        Array(body.utf8).withUnsafeBytes { ingest.ingest($0, managedInstances: false) }
    }

    @Test func `a body is in the spool before the outcome says so, and a repetition counts once`() throws {
        let fixture = try SpoolFixture()
        let mailbox = try #require(FlushMailbox())
        let ingest = try ingest(fixture, mailbox)
        #expect(post(ingest, lines(3)) == .committed)
        #expect(fixture.spool.backlog().events == 3)
        #expect(post(ingest, lines(3)) == .committed)
        #expect(fixture.spool.backlog().events == 3)
        let ledger = fixture.spool.books.ledger
        #expect(ledger.total(.received) == 6)
        #expect(ledger.total(.duplicate) == 3)
        #expect(ledger.imbalance == 0)
    }

    @Test func `the flush thread hears of the first batch and of a threshold, not of every batch`() throws {
        let fixture = try SpoolFixture()
        let mailbox = try #require(FlushMailbox())
        let ingest = try ingest(fixture, mailbox, events: 6)
        #expect(post(ingest, lines(2, "a")) == .committed)
        #expect(mailbox.take().appended)
        #expect(post(ingest, lines(2, "b")) == .committed)
        #expect(!mailbox.take().appended)
        #expect(post(ingest, lines(2, "c")) == .committed)
        #expect(mailbox.take().appended)
    }

    @Test func `a closed spool is unavailable, not an error`() throws {
        let fixture = try SpoolFixture()
        let mailbox = try #require(FlushMailbox())
        let closed = Spool(directory: fixture.directory + "-other", options: SpoolOptions(crc32: { _ in 0 }))
        let progress = InvocationProgress()
        let ingest = Ingest(
            spool: closed, encoder: try BatchEncoder(configuration: SpoolFixture.intake()),
            function: FunctionIdentityBox(FunctionIdentity(name: "f", version: "1")),
            policy: FlushPolicy(events: 1, bytes: 1, age: .zero), mailbox: mailbox, progress: progress,
            notice: { _ in })
        progress.invoked("r-1")
        #expect(!progress.mayHaveMissedEnd)
        #expect(post(ingest, lines(1)) == .unavailable)
        #expect(progress.mayHaveMissedEnd)
    }

    @Test func `an end that the platform may have dropped is not waited for, one that came is no loss`() throws {
        let fixture = try SpoolFixture()
        let progress = InvocationProgress()
        let ingest = try ingest(fixture, try #require(FlushMailbox()), progress: progress)
        func event(_ type: String, _ record: String) -> String {
            #"{"time":"2026-07-29T08:00:00.702Z","type":"platform.\#(type)","record":\#(record)}"#
        }
        let dropped = event("logsDropped", #"{"droppedBytes":100,"droppedRecords":1,"reason":"full"}"#)
        progress.invoked("r-1")
        #expect(post(ingest, "[" + dropped + "]") == .committed)
        #expect(progress.mayHaveMissedEnd)
        progress.invoked("r-2")
        #expect(!progress.mayHaveMissedEnd)
        let done = event("runtimeDone", #"{"requestId":"r-2","status":"success"}"#)
        #expect(post(ingest, "[\(done),\(dropped)]") == .committed)
        #expect(progress.isFinished && !progress.mayHaveMissedEnd)
    }

    @Test func `a held part waits a minute of ticks, whatever the wall clock does, and is then delivered as text`()
        throws
    {
        let fixture = try SpoolFixture()
        let mailbox = try #require(FlushMailbox())
        let ingest = try ingest(fixture, mailbox)
        #expect(
            post(ingest, #"[{"time":"2026-07-29T08:00:00.702Z","type":"function","record":"cut he}]"#) == .committed)
        #expect(fixture.spool.backlog().events == 0)
        #expect(fixture.spool.books.ledger.total(.spooled) == 1)
        for _ in 0..<59 { ingest.tick() }
        #expect(fixture.spool.backlog().events == 0)
        ingest.tick()
        #expect(fixture.spool.backlog().events == 1)
        #expect(fixture.spool.books.ledger.imbalance == 0)
    }
}

@Suite struct ReleasedPartsTests {
    @Test func `a released part whose time cannot be read carries the time of its release`() throws {
        let fixture = try SpoolFixture()
        let mailbox = try #require(FlushMailbox())
        let ingest = Ingest(
            spool: fixture.spool, encoder: try BatchEncoder(configuration: SpoolFixture.intake()),
            function: FunctionIdentityBox(FunctionIdentity(name: "checkout", version: "7")),
            policy: FlushPolicy(events: 1_000, bytes: 1 << 30, age: .seconds(3600)), mailbox: mailbox,
            progress: InvocationProgress(), notice: { _ in },
            now: { Moment(monotonic: .zero, wallMs: 1_785_312_000_000) })
        let body = Array(#"[{"time":"some day","type":"function","record":"cut he}]"#.utf8)
        #expect(body.withUnsafeBytes { ingest.ingest($0, managedInstances: false) } == .committed)
        ingest.releaseHeldParts()
        let claimed = try fixture.spool.claim(.shutdown, maximumBytes: 1 << 20, maximumChunks: 1, nowMs: .max)
        let chunk = try #require(claimed.first).chunk
        let text = String(
            decoding: try Inflater.inflate(stored: chunk.stored, length: chunk.linesLength), as: UTF8.self)
        #expect(text.contains(#""@timestamp":"2026-07-29T08:00:00.000Z""#))
    }
}

@Suite struct InvocationProgressTests {
    @Test func `an end that was spooled before its INVOKE was heard is known`() {
        let progress = InvocationProgress()
        progress.invoked("r-1")
        progress.observed(finished: ["r-2"], reported: ["r-2"])
        #expect(!progress.isFinished && progress.awaitsReport)
        progress.invoked("r-2")
        #expect(progress.isFinished && !progress.awaitsReport)
        progress.invoked("r-3")
        #expect(!progress.isFinished && progress.awaitsReport)
    }

    @Test func `the last report is awaited until it comes, for the invocation that was last`() {
        let progress = InvocationProgress()
        #expect(!progress.awaitsReport)
        progress.invoked("r-1")
        #expect(progress.awaitsReport)
        progress.observed(finished: ["r-1"], reported: [])
        #expect(progress.isFinished)
        #expect(progress.awaitsReport)
        progress.invoked("r-2")
        progress.observed(finished: ["r-1"], reported: ["r-1"])
        #expect(progress.awaitsReport)
        #expect(!progress.isFinished)
        progress.observed(finished: [], reported: ["r-2"])
        #expect(!progress.awaitsReport)
    }
}
