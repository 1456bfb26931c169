import Glibc
import LambdaAPI
import Synchronization
import TelemetryIntake
import TelemetryModel
import Testing

@testable import ExtensionLifecycle

/// Keeps the lines that a writer writes.
private final class Lines: Sendable {
    private let kept = Mutex<[String]>([])

    var all: [String] { kept.withLock { $0 } }

    func writer(_ level: NoticeLevel) -> NoticeWriter {
        NoticeWriter(level: level) { line in self.kept.withLock { $0.append(line) } }
    }
}

@Suite struct NoticeWriterTests {
    @Test func `a line is the prefix, the level, the event, and fields in their order`() {
        let lines = Lines()
        lines.writer(.warning).write(
            Notice(.error, "append_failed", [("cause", "full"), ("chunks", "3")]), nowMs: 0)
        #expect(lines.all == ["permafrost level=error event=append_failed cause=full chunks=3"])
    }

    @Test(arguments: [
        ("plain", "plain"), ("", "\"\""), ("two words", "\"two words\""), ("a=b", "\"a=b\""),
        ("say \"no\"", "\"say \\\"no\\\"\""), ("back \\slash", "\"back \\\\slash\""), ("a\nb\u{7f}c", "\"a b c\""),
        ("grün", "\"grün\""),
    ])
    func `values are quoted where a reader would stumble`(value: String, written: String) {
        #expect(
            NoticeWriter.line(level: .warning, event: "e", fields: [(name: "f", value: value)])
                == "permafrost level=warning event=e f=\(written)")
    }

    @Test(arguments: ["x", "ü", "\"", "\u{1F9CA}", "=\\"])
    func `a line is no longer than a pipe takes in one piece, and ends as a line should`(unit: String) {
        for count in [1, 1000, 4000, 100_000] {
            let value = String(repeating: unit, count: count)
            let line = NoticeWriter.line(
                level: .error, event: "e", fields: [("first", "1"), ("long", value), ("last", "2")])
            #expect(line.utf8.count + 1 <= 4096)
            if count == 1 {
                #expect(line.hasSuffix(" last=2"))
            } else if count == 100_000 {
                #expect(line.hasPrefix("permafrost level=error event=e first=1 long=\""))
                #expect(line.hasSuffix("…\"") && line.utf8.count > 2000)
            }
        }
    }

    @Test func `a pipe with one page left takes a line whole, however long it was`() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        try #require(fcntl(ends[1], F_SETPIPE_SZ, 8192) == 8192)
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        var page = [UInt8](repeating: 0x2e, count: 4096)
        try #require(write(ends[1], &page, 4096) == 4096)
        NoticeWriter.writer(to: ends[1])(String(repeating: "x", count: 10_000))
        try #require(read(ends[0], &page, 4096) == 4096)
        let count = read(ends[0], &page, 4096)
        #expect(count > 0 && page[count - 1] == UInt8(ascii: "\n"))
    }

    @Test func `a kind appears once a minute, and says how many were left out`() {
        let lines = Lines()
        let writer = lines.writer(.warning)
        for nowMs: Int64 in [0, 1, 59_999, 60_000, 60_001, 119_999, 300_000, 360_000] {
            writer.write(Notice(.warning, "opensearch_failed"), nowMs: nowMs)
        }
        #expect(
            lines.all == [
                "permafrost level=warning event=opensearch_failed",
                "permafrost level=warning event=opensearch_failed suppressed=2",
                "permafrost level=warning event=opensearch_failed suppressed=2",
                "permafrost level=warning event=opensearch_failed",
            ])
    }

    @Test func `kinds do not suppress one another`() {
        let lines = Lines()
        let writer = lines.writer(.warning)
        writer.write(Notice(.warning, "one"), nowMs: 0)
        writer.write(Notice(.warning, "two"), nowMs: 0)
        #expect(lines.all.count == 2)
    }

    @Test(arguments: [
        (NoticeLevel.debug, 4), (.info, 3), (.warning, 2), (.error, 1), (.off, 0),
    ])
    func `what is below the level is silent`(level: NoticeLevel, count: Int) {
        let lines = Lines()
        let writer = lines.writer(level)
        for level in [NoticeLevel.debug, .info, .warning, .error] {
            writer.write(Notice(level, level.name), nowMs: 0)
        }
        #expect(lines.all.count == count)
    }

    @Test func `the closing line is written at every level but off`() {
        for level in NoticeLevel.allCases {
            let lines = Lines()
            lines.writer(level).writeClosingLine("permafrost event=shutdown")
            #expect(lines.all.count == (level == .off ? 0 : 1))
        }
    }

    @Test func `our own lines are recognised when they come back, others are not`() throws {
        let own = NoticeWriter.line(level: .warning, event: "e", fields: [(name: "f", value: "a \"b\"")])
        let closing = ClosingLine.text(reason: "spindown", ledger: Ledger(), platformDropped: 0, lossesUnknown: false)
        let configuration = Configuration(environment: ["PERMAFROST_INDEX_EXTENSION": "e"])
        let encoder = try BatchEncoder(
            configuration: IntakeConfiguration(indices: configuration.indices, ownLinePrefix: NoticeWriter.prefix))
        func event(_ type: String, _ text: String) -> String {
            let escaped = text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
            return "{\"time\":\"2026-07-29T08:00:00.000Z\",\"type\":\"\(type)\",\"record\":\"\(escaped)\"}"
        }
        let body =
            "["
            + [
                event("extension", own), event("extension", closing), event("extension", "permafrosted line"),
                event("extension", "another's"), event("function", own),
            ].joined(separator: ",") + "]"
        let identity = try #require(EnvironmentID("0123456789abcdef"))
        let batch = Array(body.utf8).withUnsafeBytes {
            encoder.encode(
                body: $0, number: 1,
                state: IntakeState(identity: .environment(identity), lastAcknowledgementUncertain: false),
                function: FunctionIdentity(name: "f", version: "1"), receivedMs: 0, recall: { _ in nil })
        }
        #expect(batch.ledger[.filtered, LedgerReason.ownLine] == 2)
        #expect(batch.ledger.total(.spooled) == 3)
    }
}

@Suite struct ClosingLineTests {
    private var ledger: Ledger {
        var ledger = Ledger()
        ledger.add(100, .received)
        ledger.add(1, .duplicate)
        ledger.add(2, .filtered, LedgerReason.ownLine)
        ledger.add(3, .joined)
        ledger.add(60, .delivered)
        ledger.add(4, .rejected, LedgerReason.document)
        ledger.add(1, .rejected, LedgerReason.pipeline)
        ledger.add(9, .discarded, LedgerReason.spoolFull)
        ledger.add(20, .spooled)
        return ledger
    }

    @Test func `the text is the literal one`() {
        #expect(
            ClosingLine.text(reason: "spindown", ledger: ledger, platformDropped: 7, lossesUnknown: false)
                == "permafrost event=shutdown reason=spindown received=100 duplicate=1 filtered=2 joined=3 delivered=60 "
                + "rejected=5 discarded=9 spooled=20 platform_dropped=7")
    }

    @Test func `losses that nobody could count are unknown`() {
        #expect(
            ClosingLine.text(reason: "timeout", ledger: ledger, platformDropped: 0, lossesUnknown: true)
                .contains(" rejected=5 discarded=unknown spooled=20 "))
    }

    @Test func `the reason is a fixed word, however the platform spells it`() {
        #expect(
            [Shutdown.Reason.spindown, .timeout, .failure, .other].map(\.word) == [
                "spindown", "timeout", "failure", "other",
            ])
    }
}
