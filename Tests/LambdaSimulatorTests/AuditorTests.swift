import Testing

@testable import LambdaSimulator

@Suite struct AuditorTests {
    private let report = EventKey.platform(
        type: "platform.report", time: "2026-07-29T08:00:00.790Z", requestID: "r-1")

    private func line(_ marker: String) -> [UInt8] {
        Array(#"{"type":"function","record":{"message":"\#(marker) a line"}}"#.utf8)
    }

    private func entries(_ offered: [EventKey], acknowledged: [EventKey]) -> TelemetryBooks.Entries {
        var entries = TelemetryBooks.Entries()
        for key in offered { entries.offered[key] = 1 }
        entries.acknowledged = Set(acknowledged)
        return entries
    }

    @Test func `a document per acknowledged event balances`() {
        let marker = EventKey.marker("evt-0a1b2c3d-000001")
        let platform = #"{"time":"2026-07-29T08:00:00.790Z","type":"platform.report","record":{"requestId":"r-1"}}"#
        let audit = Auditor.audit(
            entries([marker, report], acknowledged: [marker, report]),
            documents: [(id: "1", source: line("evt-0a1b2c3d-000001")), (id: "2", source: Array(platform.utf8))])
        #expect(audit.isBalanced)
        #expect(audit.documents == 2)
    }

    @Test func `a missing, a doubled and a foreign document are each found`() {
        let one = EventKey.marker("evt-0a1b2c3d-000001")
        let two = EventKey.marker("evt-0a1b2c3d-000002")
        let audit = Auditor.audit(
            entries([one, two], acknowledged: [one, two]),
            documents: [
                (id: "1", source: line("evt-0a1b2c3d-000001")), (id: "2", source: line("evt-0a1b2c3d-000001")),
                (id: "3", source: line("evt-0a1b2c3d-000009")), (id: "4", source: Array("{}".utf8)),
            ])
        #expect(audit.missing == [two])
        #expect(audit.doubled == [one])
        #expect(audit.foreign == ["3", "4"])
        #expect(!audit.isBalanced)
    }

    @Test func `what was stored although its answer was lost is no fault`() {
        let one = EventKey.marker("evt-0a1b2c3d-000001")
        let audit = Auditor.audit(
            entries([one], acknowledged: []), documents: [(id: "1", source: line("evt-0a1b2c3d-000001"))])
        #expect(audit.isBalanced)
        #expect(audit.storedUnacknowledged == 1)
    }

    @Test func `a record in its safe shape is recognised`() {
        let source =
            #"{"@timestamp":"2026-07-29T08:00:00.790Z","type":"platform.report","record_text":"{\"requestId\":\"r-1\"}"}"#
        #expect(Auditor.key(of: Array(source.utf8)) == report)
    }

    @Test func `markers are found anywhere and nothing else is taken for one`() {
        let source = MarkerSource()
        let marker = source.next()
        #expect(marker.count == 19)
        #expect(source.next() != marker)
        #expect(MarkerSource.find(in: Array("evt- evt-12 \(marker)\\n\"".utf8)) == marker)
        #expect(MarkerSource.find(in: Array("evt-zzzzzzzz-000001".utf8)) == nil)
    }

    @Test func `the closing line is read and checked`() throws {
        let text =
            "permafrost event=shutdown reason=spindown received=10 duplicate=1 filtered=0 joined=0 delivered=8 "
            + "rejected=0 discarded=0 spooled=1 platform_dropped=0"
        let line = try #require(ClosingLine(text))
        #expect(line.isBalanced)
        #expect(line.count("delivered") == 8)
        #expect(line.reason == "spindown")
        let other = try #require(ClosingLine(text.replacing("spooled=1", with: "spooled=2")))
        #expect(!other.isBalanced)
        #expect(ClosingLine("permafrost event=start") == nil)
    }
}
