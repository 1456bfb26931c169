import Foundation
import Testing

@testable import LambdaSimulator

@Suite struct RecordCutterTests {
    /// Joins parts as a receiver does: the value without the repeated envelopes and the closing braces.
    private func joined(_ parts: [TelemetryElement]) -> [UInt8] {
        let envelope = Array(#"{"time":"2026-07-29T08:00:00.000Z","type":"function","record":"#.utf8)
        var value: [UInt8] = []
        for part in parts {
            #expect(part.bytes.starts(with: envelope))
            #expect(part.bytes.last == UInt8(ascii: "}"))
            value += part.bytes.dropFirst(envelope.count).dropLast()
        }
        return value
    }

    @Test(arguments: CutPlacement.allCases)
    func `the parts of a cut record give the record back`(placement: CutPlacement) {
        let text = String(repeating: "grüße \"quoted\" \\ 😀\n", count: 60)
        let event = Fixtures.event("evt-00000000-000001", text: text)
        let parts = RecordCutter.elements(of: event, schema: "2025-01-29", maxBytes: 400, placement: placement)
        #expect(parts.count > 3)
        #expect(joined(parts) == event.record)
        #expect(parts.map(\.part) == Array(0..<parts.count))
        #expect(parts.allSatisfy { $0.bytes.count + 2 <= 400 + 1 })
    }

    @Test func `a cut between characters leaves each part whole text, one inside an escape does not`() {
        let event = Fixtures.event("evt-00000000-000001", text: String(repeating: "é\"", count: 300))
        let envelope = 62
        func firstValue(_ placement: CutPlacement) -> [UInt8] {
            let parts = RecordCutter.elements(of: event, schema: "2025-01-29", maxBytes: 300, placement: placement)
            return Array(parts[0].bytes.dropFirst(envelope).dropLast())
        }
        #expect(String(validating: firstValue(.betweenCharacters), as: UTF8.self) != nil)
        #expect(firstValue(.betweenCharacters).last != UInt8(ascii: "\\"))
        #expect(firstValue(.insideEscape).last == UInt8(ascii: "\\"))
        #expect(firstValue(.insideCharacter).last == 0xC3)
    }

    @Test func `a record that fits is not cut`() {
        let event = Fixtures.event("evt-00000000-000001")
        let parts = RecordCutter.elements(of: event, schema: "2025-01-29", maxBytes: 262_144)
        #expect(
            parts.map { String(decoding: $0.bytes, as: UTF8.self) } == [
                #"{"time":"2026-07-29T08:00:00.000Z","type":"function","record":"evt-00000000-000001 a line"}"#
            ])
    }
}
