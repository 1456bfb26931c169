import TelemetryModel
import Testing

@testable import TelemetryIntake

/// Records that the platform cut at `maxBytes`, as fact sheet section 8 describes them.
@Suite struct CutRecordTests {
    private let envelope = #"{"time":"2026-07-29T08:00:00.702Z","type":"function","record":"#
    private func event(_ text: String) -> String {
        #"{"time":"2026-07-29T08:00:00.001Z","type":"function","record":"\#(text)"}"#
    }

    @Test func `two halves in two bodies are one event`() throws {
        let intake = try Intake()
        let head = intake.post("[\(event("before")),\(envelope)\"aaa}]")
        #expect(try head.records() == [#"{"message":"before"}"#])
        #expect(intake.state.heldParts.map(\.value) == [Array("\"aaa".utf8)])
        #expect(intake.state.heldParts.map(\.envelope) == [Array(envelope.utf8)])
        let tail = intake.post("[\(envelope)bbb\"},\(event("behind"))]")
        #expect(try tail.records() == [#"{"message":"aaabbb"}"#, #"{"message":"behind"}"#])
        #expect(intake.state.heldParts.isEmpty)
        #expect(intake.ledger.total(.received) == 4)
        #expect(intake.ledger.total(.joined) == 1)
        #expect(intake.ledger.total(.spooled) == 3)
        #expect(intake.ledger.imbalance == 0)
    }

    @Test func `equal middle parts are joined, not taken for repetitions`() throws {
        let intake = try Intake()
        intake.post("[\(envelope)\"aa}]")
        for _ in 0..<3 { #expect(intake.post("[\(envelope)mm}]").chunks.isEmpty) }
        let last = intake.post("[\(envelope)zz\"}]")
        #expect(try last.records() == [#"{"message":"aammmmmmzz"}"#])
        #expect(intake.ledger.total(.received) == 5)
        #expect(intake.ledger.total(.joined) == 4)
        #expect(intake.ledger.total(.spooled) == 1)
        #expect(intake.ledger.imbalance == 0)
    }

    @Test func `a middle part that comes again because its 200 was lost is a duplicate`() throws {
        let intake = try Intake()
        intake.post("[\(envelope)\"aa}]")
        intake.post("[\(envelope)mm}]")
        intake.state.lastAcknowledgementUncertain = true
        let again = intake.post("[\(envelope)mm}]")
        #expect(again.ledger[.duplicate, ""] == 1)
        intake.state.lastAcknowledgementUncertain = false
        #expect(try intake.post("[\(envelope)zz\"}]").records() == [#"{"message":"aammzz"}"#])
        #expect(intake.ledger.imbalance == 0)
    }

    @Test(arguments: [1, 2, 3, 5, 8])
    func `a record cut at any byte, escapes and UTF-8 sequences included, is whole again`(cuts: Int) throws {
        let records = [
            #""a\"\\\u00e9 é𝄞 \ud834\udd1e },{\"time\":""#,
            #"{"a":[1.5e10,-2,true,null,{"b":"é}]"}],"n":{"c":[[]],"d":""},"requestId":"r"}"#,
        ]
        for record in records {
            let bytes = Array(record.utf8)
            let plain = try #require(try Intake().post("[\(envelope)\(record)}]").documents().first)
            for first in 1..<bytes.count - cuts {
                let intake = try Intake()
                var last: EncodedBatch?
                let ends = (0..<cuts).map { first + $0 } + [bytes.count]
                var start = 0
                for (index, end) in ends.enumerated() {
                    let isLast = index == cuts
                    let piece = Array(bytes[start..<end])
                    start = end
                    let tail = isLast ? Array("},\(event("behind"))]".utf8) : Array("}]".utf8)
                    last = intake.post(Array("[\(envelope)".utf8) + piece + tail)
                }
                #expect(try last?.documents().first == plain, "cut at \(first)")
                #expect(try last?.records().last == #"{"message":"behind"}"#)
                #expect(intake.state.heldParts.isEmpty)
                #expect(intake.ledger.total(.received) == cuts + 2)
                #expect(intake.ledger.total(.joined) == cuts)
                #expect(intake.ledger.total(.spooled) == 2)
            }
        }
    }

    @Test func `a whole event with the envelope of a held part stays by itself`() throws {
        let intake = try Intake()
        intake.post("[\(envelope)\"aaa}]")
        #expect(try intake.post("[\(envelope)\"whole\"}]").records() == [#"{"message":"whole"}"#])
        #expect(intake.state.heldParts.count == 1)
        #expect(try intake.post("[\(envelope)bbb\"}]").records() == [#"{"message":"aaabbb"}"#])
        #expect(intake.ledger.imbalance == 0)
    }

    @Test func `a repeated body that completed a record is a duplicate`() throws {
        let intake = try Intake()
        intake.post("[\(envelope)\"aaa}]")
        let body = "[\(envelope)bbb\"},\(event("behind"))]"
        intake.post(body)
        let again = intake.post(body)
        #expect(again.chunks.isEmpty)
        #expect(again.ledger[.duplicate, ""] == 2)
        #expect(intake.ledger.imbalance == 0)
    }

    @Test func `a tail without its head is delivered as text`() throws {
        let intake = try Intake()
        let batch = intake.post("[\(envelope)bb\\n} b\"},\(event("behind"))]")
        #expect(try batch.records() == [#"{"message":"bb\n} b"}"#, #"{"message":"behind"}"#])
        let object = intake.post("[\(envelope)x\",\"b\":{\"c\":1}}},\(event("behind"))]")
        #expect(try object.records() == [#"{"message":"x\",\"b\":{\"c\":1}}"}"#, #"{"message":"behind"}"#])
        let middle = intake.post("[\(envelope)only some text}]")
        #expect(try middle.records() == [#"{"message":"only some text"}"#])
        #expect(intake.ledger.imbalance == 0)
        #expect(intake.ledger.total(.spooled) == 5)
    }

    @Test func `a head without its tail is delivered as text when its time has come`() throws {
        let intake = try Intake()
        intake.post("[\(envelope)\"aaa\\n\\u00}]", nowMs: 1_000)
        intake.post(
            "[{\"time\":\"2026-07-29T08:00:00.703Z\",\"type\":\"function\",\"record\":{\"a\":\"b}]", nowMs: 31_000)
        #expect(intake.release(olderThanMs: 60_000, nowMs: 60_999) == nil)
        let first = try #require(intake.release(olderThanMs: 60_000, nowMs: 61_000))
        #expect(try first.records() == [#"{"message":"aaa\n\\u00"}"#])
        #expect(first.body == nil)
        let second = try #require(intake.release(nowMs: 0))
        #expect(try second.records() == [#"{"message":"{\"a\":\"b"}"#])
        #expect(intake.state.heldParts.isEmpty)
        #expect(intake.ledger.total(.spooled) == 2)
        #expect(intake.ledger.imbalance == 0)
        #expect(intake.release() == nil)
    }

    /// SnapStart: each copy has the head, gets the tail, and has an environment id by then.
    @Test(arguments: [true, false])
    func `a record that began before the snapshot gets the same id in every copy`(isComplete: Bool) throws {
        let environments = ["0123456789abcdef", "fedcba9876543210"]
        func copy(_ environment: String, head: String = "aaa") throws -> (shared: String, own: [String], Ledger) {
            let intake = try Intake(identity: .snapshot)
            intake.post("[\(envelope)\"\(head)}]")
            intake.state.identity = .environment(try #require(EnvironmentID(environment)))
            let batch =
                isComplete
                ? intake.post("[\(envelope)bbb\"},\(event("behind")),\(event("last"))]")
                : try #require(intake.release())
            let lines = try batch.lines()
            let ids = try stride(from: 0, to: lines.count, by: 2).map {
                try #require(ActionLine.read(Array(lines[$0].utf8))).id
            }
            let digest = batch.chunks.reduce(UInt64(0)) { $0 &+ $1.idsDigest }
            #expect(digest == ids.reduce(UInt64(0)) { $0 &+ DocumentIDHash.hash(of: $1.utf8) })
            #expect(
                try batch.records().contains(isComplete ? #"{"message":"\#(head)bbb"}"# : #"{"message":"\#(head)"}"#))
            #expect(intake.ledger.imbalance == 0)
            let shared = ids.filter { $0.hasPrefix("s-") }
            #expect(shared.count == 1)
            return (try #require(shared.first), ids.filter { !$0.hasPrefix("s-") }, intake.ledger)
        }
        let copies = try environments.map { try copy($0) }
        #expect(copies[0].shared == copies[1].shared)
        #expect(copies[0].shared != (try copy(environments[0], head: "other").shared))
        #expect(copies.map(\.own) == environments.map { isComplete ? ["\($0)-8-0", "\($0)-8-1"] : [] })
    }

    @Test func `a record that begins after the snapshot has an id of its environment`() throws {
        let intake = try Intake()
        intake.post("[\(envelope)\"aaa}]")
        let lines = try intake.post("[\(envelope)bbb\"}]").lines()
        #expect(try #require(ActionLine.read(Array(lines[0].utf8))).id.hasPrefix("0123456789abcdef-"))
    }

    @Test func `held parts are bounded in number and bytes, the oldest goes as text`() throws {
        let intake = try Intake()
        for index in 0..<5 {
            let batch = intake.post("[{\"time\":\"\(index)\",\"type\":\"function\",\"record\":\"part \(index)}]")
            #expect(batch.chunks.count == (index == 4 ? 1 : 0))
            if index == 4 { #expect(try batch.records() == [#"{"message":"part 0"}"#]) }
        }
        #expect(intake.state.heldParts.count == CutRecordJoiner.partBound)
        let large = String(repeating: "x", count: CutRecordJoiner.valueBound + 1)
        let batch = intake.post("[{\"time\":\"large\",\"type\":\"function\",\"record\":\"\(large)}]")
        #expect(intake.state.heldParts.isEmpty)
        #expect(try batch.records().count == 5)
        #expect(intake.ledger.total(.spooled) == 6)
        #expect(intake.ledger.imbalance == 0)
    }

    @Test func `a body cut inside an envelope keeps its whole events, the rest is one reject`() throws {
        let intake = try Intake()
        let batch = intake.post("[\(event("a")),\(event("b")),{\"time\":\"2026-07-29T08:00:00.702Z\",\"ty")
        #expect(try batch.records() == [#"{"message":"a"}"#, #"{"message":"b"}"#])
        #expect(batch.ledger[.rejected, LedgerReason.unreadable] == 1)
        #expect(batch.ledger.total(.received) == 3)
        #expect(batch.rejects.map(\.content) == [Array("{\"time\":\"2026-07-29T08:00:00.702Z\",\"ty".utf8)])
        #expect(batch.rejects.map(\.reason) == [LedgerReason.unreadable])
    }

    @Test(arguments: [
        "hello world", "<html></html>", "{not json}", "}{", "\u{0}\u{1}\u{2}", "[garbage", "12 o'clock", "[}",
    ])
    func `garbage is one reject`(body: String) throws {
        let batch = try Intake().post(body)
        #expect(batch.chunks.isEmpty)
        #expect(batch.ledger[.rejected, LedgerReason.unreadable] == 1)
        #expect(batch.ledger.total(.received) == 1)
        #expect(batch.body?.events == 1)
    }

    @Test func `one broken element does not cost its neighbours`() throws {
        let intake = try Intake()
        let broken = [
            #"{"time":"T","type":"function","record":"abc"def"}"#, #"{"time":"T","type":"function","record":[1}"#,
        ]
        for element in broken {
            let batch = intake.post("[\(event("a")),\(element),\(event("b")),\(event("c } d"))]")
            let records = try batch.records()
            #expect(records.first == #"{"message":"a"}"#)
            #expect(records.suffix(2) == [#"{"message":"b"}"#, #"{"message":"c } d"}"#])
            #expect(records.count == 4)
        }
        #expect(intake.ledger.imbalance == 0)
    }

    @Test(arguments: [
        (#"[{"extra":[1,{"time":5}],"record":x"#, "x"), (#"[{"extra":[1,{"time":5}],"record":x"}]"#, "x"),
        (#"[1,{"extra":[1,{"time":5}],"record":x"}]"#, #"x\""#),
        (#"[1,{"extra":[1,{"time":"T","type":"function","record":"y"}],"record":x"}]"#, #"x\""#),
        (#"[{"a":1,"record":,{"time":5}x"#, ""),
    ])
    func `what looks like an event inside a member before the record ends nothing`(body: String, text: String) throws {
        let batch = try Intake().post(body)
        #expect(try batch.records().last == #"{"message":"\#(text)"}"#)
        #expect(batch.ledger.imbalance == 0)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a body made to be slow is not`() throws {
        let pieces = [
            ",{\"time\":\"x\",\"type\":\"function\",\"record\":\"a", "[1,{\"time\":", "{\"time\":", "[{\"a\":[",
            ",{\"time\":[[",
            "\"", "{\"record\":NaN},", ",{\"time\":1,\"record\":\"}",
        ]
        for piece in pieces {
            let body = "[" + String(repeating: piece, count: 400_000 / piece.utf8.count)
            let batch = try Intake().post(body)
            #expect(batch.ledger.imbalance == 0)
        }
    }
}
