import TelemetryModel
import Testing

@testable import TelemetryIntake

@Suite struct RepairTests {
    private func record(_ value: [UInt8]) throws -> String {
        let body =
            Array(#"[{"time":"2026-07-29T08:00:00.702Z","type":"function","record":"#.utf8) + value + Array("}]".utf8)
        let batch = try Intake().post(body)
        #expect(batch.ledger.total(.spooled) == 1)
        return try #require(try batch.records().first)
    }

    @Test func `control characters are escaped inside strings and dropped outside them`() throws {
        #expect(try record(Array("{\n\t\"a\"\r\n:\u{0}1,\"b\":\"x\ny\u{1}\"}".utf8)) == #"{"a":1,"b":"x\ny\u0001"}"#)
        #expect(try record(Array("\"a\tb\u{0}\"".utf8)) == #"{"message":"a\tb\u0000"}"#)
    }

    @Test(
        arguments: [
            [0xff], [0xc0, 0xaf], [0xed, 0xa0, 0xbd], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80], [0xf8],
        ] as [[UInt8]])
    func `ill-formed UTF-8 becomes U+FFFD`(bytes: [UInt8]) throws {
        let text = try record([0x22, 0x61] + bytes + [0x62, 0x22])
        #expect(text.hasPrefix("{\"message\":\"a\u{FFFD}"))
        #expect(text.hasSuffix("b\"}"))
        #expect(text.unicodeScalars.allSatisfy { $0 == "\u{FFFD}" || $0.isASCII })
        let object = try record(Array("{\"k".utf8) + bytes + Array("\":1}".utf8))
        #expect(object.contains("\u{FFFD}"))
    }

    @Test func `escapes, DEL and well-formed text stay as they are`() throws {
        #expect(
            try record(Array(#""\u0000\ud83d\/\"é𝄞"#.utf8) + [0x7f, 0x22])
                == "{\"message\":\"\\u0000\\ud83d\\/\\\"é𝄞\u{7f}\"}")
        #expect(try record(Array(#"{"a\u0000":"\ud83d"}"#.utf8)) == #"{"a\u0000":"\ud83d"}"#)
    }

    @Test(arguments: [
        ("NaN", #"{"message":"NaN"}"#), ("01", #"{"message":"01"}"#), (#"{"a":NaN}"#, #"{"message":"{\"a\":NaN}"}"#),
        (#"{"a":1,}"#, #"{"message":"{\"a\":1,}"}"#), (#"{"a":"\x41"}"#, #"{"message":"{\"a\":\"\\x41\"}"}"#),
        (#""\x41""#, #"{"message":"\\x41"}"#), ("[1,]", #"{"message":"[1,]"}"#),
    ])
    func `a record that is no JSON becomes its text`(value: String, expected: String) throws {
        #expect(try record(Array(value.utf8)) == expected)
    }

    @Test func `a record that is no JSON leaves time and type where they are, in any order`() throws {
        let document = try #require(
            try Intake().post(
                #"[{"record":{"a":01},"type":"function","time":"2026-07-29T08:00:00.702Z"},{"record":"x"}]"#
            )
            .documents().first)
        #expect(try document.member("type") == #""function""#)
        #expect(try document.member("time") == #""2026-07-29T08:00:00.702Z""#)
        #expect(try document.member("record") == #"{"message":"{\"a\":01}"}"#)
    }

    @Test func `ten thousand nested arrays become text`() throws {
        let deep = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
        #expect(try record(Array(deep.utf8)) == "{\"message\":\"\(deep)\"}")
        let element = try Intake().post("[1,\(deep),2]")
        #expect(try element.records() == [#"{"message":"1"}"#, "{\"message\":\"\(deep)\"}", #"{"message":"2"}"#])
        let body = try Intake().post(deep)
        #expect(body.ledger.imbalance == 0)
        #expect(body.ledger.total(.received) == 1)
        let shallow = String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
        #expect(try record(Array("{\"a\":\(shallow)}".utf8)) == "{\"a\":\(shallow)}")
    }

    @Test func `a type is repaired like a string`() throws {
        let document = try #require(
            try Intake().post(Array(#"[{"type":"plat\x"#.utf8) + [0xff, 0x0a] + Array(#"","record":{}}]"#.utf8))
                .documents().first)
        #expect(try document.member("type") == "\"plat\\\\x\u{FFFD}\\n\"")
    }
}

@Suite struct TimestampTests {
    private func timestamp(_ text: String) throws -> String {
        let document = try #require(try Intake().post(#"[{"time":"\#(text)","record":"x"}]"#).documents().first)
        return String(try #require(try document.member("@timestamp")).dropFirst().dropLast())
    }

    @Test(arguments: [
        ("2026-07-29T08:00:00.702Z", "2026-07-29T08:00:00.702Z"),
        ("2024-02-29T23:59:59.999Z", "2024-02-29T23:59:59.999Z"),
        ("2026-07-29T08:00:00Z", "2026-07-29T08:00:00.000Z"), ("2026-07-29T08:00:00.7Z", "2026-07-29T08:00:00.700Z"),
        ("2026-07-29T08:00:00.123456789Z", "2026-07-29T08:00:00.123Z"),
        ("2026-07-29T08:00:00,5Z", "2026-07-29T08:00:00.500Z"),
        ("2026-07-29T08:00:00.702+02:00", "2026-07-29T06:00:00.702Z"),
        ("2026-07-29T01:00:00.702+0200", "2026-07-28T23:00:00.702Z"),
        ("2026-12-31T23:30:00.000-01", "2027-01-01T00:30:00.000Z"),
        ("2026-07-29T08:00:00.702", "2026-07-29T08:00:00.702Z"),
        ("2026-07-29T08:00Z", "2026-07-29T08:00:00.000Z"), ("2026-07-29", "2026-07-29T00:00:00.000Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00.000+01:00", "0000-12-31T23:00:00.000Z"),
    ])
    func `a readable time becomes UTC milliseconds`(text: String, expected: String) throws {
        #expect(try timestamp(text) == expected)
    }

    @Test(arguments: [
        "", "yesterday", "2026-02-29T08:00:00.000Z", "2026-13-01T00:00:00.000Z", "2026-07-29T24:00:00.000Z",
        "2026-07-29T08:60:00.000Z", "2026-07-29T08:00:60.000Z", "2026-07-29T08:00:23:521Z",
        "2026-07-29T08:00:00.1234567890Z",
        "12026-07-29T08:00:00.000Z", "1785312000000", "2026-7-29T08:00:00.000Z", "9999-12-31T23:59:59.999-01:00",
        "0000-01-01T00:00:00.000+01:00", "2026-07-29T08:00:00.702+24:00", "2026-07-29T08:00:00.702Zz",
    ])
    func `an unreadable time gives way to the time of reception`(text: String) throws {
        #expect(try timestamp(text) == "2026-07-29T08:00:00.000Z")
    }

    @Test func `every day of four centuries is its own inverse`() {
        var day: Int64 = -719_528 + 366
        while day < 146_097 {
            let timestamp = Timestamp(milliseconds: day * 86_400_000 + 3_723_004)
            let text = timestamp.text
            text.withUnsafeBytes {
                #expect(Timestamp(iso: $0) == timestamp)
                #expect(Timestamp.canonicalDay($0) == timestamp.day)
            }
            day += 13
        }
    }

    @Test func `the index is that of the document's day`() throws {
        let intake = try Intake(Fixtures.configuration(platform: "p-%Y.%m.%d"))
        let batch = intake.post(
            #"[{"time":"2026-07-29T23:30:00.000-01:00","type":"platform.x"},{"time":"2026-01-02T00:00:00.000Z","type":"y"},{"time":"?"}]"#
        )
        let names = try batch.lines().enumerated().filter { $0.offset % 2 == 0 }.compactMap {
            ActionLine.read(Array($0.element.utf8))?.index
        }
        #expect(names == ["p-2026.07.30", "p-2026.01.02", "p-2026.07.29"])
        #expect(batch.chunks.map(\.indices) == [["p-2026.07.30", "p-2026.01.02", "p-2026.07.29"]])
    }
}
