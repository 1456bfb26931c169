import TelemetryModel
import Testing

@testable import TelemetryIntake

/// Design invariant 3: a document id is never used twice for different events, and never changes for the same event.
@Suite struct DocumentIDInvariantTests {
    private func body(_ texts: String..., separator: String = ",") -> String {
        "["
            + texts.map { #"{"time":"2026-07-29T08:00:00.702Z","type":"function","record":"\#($0)"}"# }
            .joined(separator: separator) + "]"
    }

    @Test func `a repeated body counts as duplicates and changes nothing`() throws {
        let intake = try Intake()
        intake.post(body("a", "b"))
        let before = intake.state
        let again = intake.post(body("a", "b"))
        #expect(again.chunks.isEmpty)
        #expect(again.counters.isEmpty)
        #expect(again.body == nil)
        #expect(again.ledger[.received, ""] == 2)
        #expect(again.ledger[.duplicate, ""] == 2)
        #expect(again.state == before)
    }

    @Test func `blanks between elements do not make a body another one`() throws {
        let intake = try Intake()
        intake.post(body("a", "b"))
        #expect(intake.post(body("a", "b", separator: " ,\n")).ledger[.duplicate, ""] == 2)
        #expect(intake.post(body("b", "a")).ledger[.duplicate, ""] == 0)
    }

    @Test func `a body that begins with the last one is taken from there, if the last 200 may have been lost`() throws {
        let intake = try Intake()
        intake.post(body("a", "b"))
        intake.state.lastAcknowledgementUncertain = true
        let batch = intake.post(body("a", "b", "c"))
        #expect(try batch.records() == [#"{"message":"c"}"#])
        #expect(batch.ledger[.received, ""] == 3)
        #expect(batch.ledger[.duplicate, ""] == 2)
        #expect(batch.ledger[.spooled, ""] == 1)
        #expect(batch.body?.events == 3)
        #expect(intake.state.lastBody == batch.body)
        #expect(intake.post(body("a", "b", "c")).ledger[.duplicate, ""] == 3)
    }

    @Test func `a body that begins with the last one is new, if the last 200 was written`() throws {
        let intake = try Intake()
        intake.post(body("a", "b"))
        #expect(try intake.post(body("a", "b", "c")).records().count == 3)
    }

    @Test func `garbage that comes again is a duplicate too`() throws {
        let intake = try Intake()
        intake.post("no json")
        let again = intake.post("no json")
        #expect(again.ledger[.duplicate, ""] == 1)
        #expect(again.rejects.isEmpty)
    }

    @Test func `ids are the environment, the number and the index`() throws {
        let intake = try Intake()
        intake.number = 4_294_967_296
        let ids = try intake.post(body("a", "b", "c")).lines().enumerated().filter { $0.offset % 2 == 0 }.compactMap {
            ActionLine.read(Array($0.element.utf8))?.id
        }
        #expect(ids == (0..<3).map { "0123456789abcdef-4294967296-\($0)" })
    }

    @Test func `in a snapshot ids are the same in every copy, observe nothing, and differ by body`() throws {
        func copy(_ text: String, number: UInt64) throws -> EncodedBatch {
            let intake = try Intake(identity: .snapshot)
            intake.number = number
            return intake.post(body(text))
        }
        let first = try copy("a", number: 1)
        #expect(try first.lines() == copy("a", number: 99).lines())
        #expect(try first.lines().first != copy("b", number: 1).lines().first)
        #expect(first.counters.isEmpty)
        let action = try #require(try first.lines().first)
        let id = try #require(ActionLine.read(Array(action.utf8))).id
        #expect(id.hasPrefix("s-") && id.hasSuffix("-0"))
        #expect(id.utf8.count == 36)
        #expect(try first.documents().first?.member("faas")?.member("instance") == nil)
    }

    @Test func `the sum over the ids of a chunk is that of its lines`() throws {
        let batch = try Intake().post(body("a", "b", "c"))
        let ids = try batch.lines().enumerated().filter { $0.offset % 2 == 0 }.compactMap {
            ActionLine.read(Array($0.element.utf8))?.id
        }
        #expect(batch.chunks.first?.idsDigest == ids.reduce(UInt64(0)) { $0 &+ DocumentIDHash.hash(of: $1.utf8) })
    }

    @Test func `a restore is found among the events, not in a text that speaks of it`() {
        func contains(_ body: String) -> Bool {
            Array(body.utf8).withUnsafeBytes { BatchEncoder.containsRestoreStart($0) }
        }
        #expect(
            contains(#"[{"type":"function","record":"x"},{"time":"T","type":"platform.restoreStart","record":{}}]"#))
        #expect(!contains(#"[{"type":"function","record":{"type":"platform.restoreStart"}}]"#))
        #expect(!contains(#"[{"type":"function","record":"\"platform.restoreStart\""}]"#))
        #expect(!contains(""))
    }

    @Test func `an action line is read back, others are not`() {
        func read(_ line: String) -> [String]? { ActionLine.read(Array(line.utf8)).map { [$0.index, $0.id] } }
        #expect(read(#"{"create":{"_index":"lambda-function","_id":"e-1-0"}}"# + "\n") == ["lambda-function", "e-1-0"])
        #expect(read(#"{"create":{"_index":"a","_id":"b"}}"#) == ["a", "b"])
        #expect(read(#"{"create":{"_index":"a","_id":"b"}"#) == nil)
        #expect(read(#"{"create":{"_index":"a"}}"#) == nil)
        #expect(read(#"{"create":{"_index":"a","_id":"b","x":"c"}}"#) == nil)
        #expect(read(#"{"index":{"_index":"a","_id":"b"}}"#) == nil)
        #expect(read("") == nil)
    }
}
