import Testing

@testable import JSON

@Suite struct JSONScannerTests {
    private func scan(_ text: String) -> (scan: JSONScan, position: Int, repairs: JSONRepairs) {
        scan(Array(text.utf8))
    }

    private func scan(_ bytes: [UInt8]) -> (scan: JSONScan, position: Int, repairs: JSONRepairs) {
        bytes.withUnsafeBytes {
            var scanner = JSONScanner($0)
            let scan = scanner.scanValue()
            return (scan, scanner.position, scanner.repairs)
        }
    }

    @Test(arguments: [
        "0", "-0", "12", "-1.5e+10", "1E5", "true", "false", "null", #""""#, #""a\"b\\\u0041\/""#, "[]", "{}", "[1,2]",
        #"{"a":{"b":[true,null,{}]},"c":""}"#, #"{"":1}"#, " [ 1 , { \"a\" : 2 } ]", #""é𝄞""#,
    ])
    func `what is JSON is complete and needs no repair`(text: String) {
        let result = scan(text)
        #expect(result.scan == .complete)
        #expect(result.position == text.utf8.count)
        #expect(result.repairs.isEmpty)
    }

    @Test(arguments: [
        "01", "+1", ".5", "-a", "NaN", "nul!", "[1,]", "{,}", #"{"a" 1}"#, #"{"a":1,}"#, "[1 2]", "[}", "{]", "{1:2}",
        "1.e", "1.x", "[1e+]", "é", "'a'", "/**/1",
    ])
    func `what is not JSON is invalid`(text: String) {
        let result = scan(text)
        // A number alone ends before what spoils it.
        #expect(result.scan == .invalid || result.position < text.utf8.count)
    }

    @Test func `every cut of a document is unfinished`() {
        let text = #"{"a":[1.5e10,-2,true,false,null,"x\u0041\n\"y"],"b":{"c":"é","d":{}},"e":[]}"#
        #expect(scan(text).scan == .complete)
        let bytes = Array(text.utf8)
        for length in 0..<bytes.count {
            #expect(scan(Array(bytes[..<length])).scan == .unfinished, "\(length)")
        }
    }

    @Test func `repairs are named`() {
        #expect(scan("[1,\n2]").repairs == .blanks)
        #expect(scan("[1,\u{0}2]").repairs == .controlBetweenTokens)
        #expect(scan("\"a\u{1}b\"").repairs == .controlInString)
        #expect(scan("\"a\nb\"").repairs == .controlInString)
        #expect(scan(#""\x41""#).repairs == .escape)
        #expect(scan(#""\u00g0""#).repairs == .escape)
        for broken: [UInt8] in [
            [0xff], [0xc0, 0xaf], [0xed, 0xa0, 0xbd], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80], [0xf8, 0x80],
        ] {
            #expect(scan([0x22] + broken + [0x22]).repairs == .encoding)
            #expect(scan([0x22] + broken + [0x22]).scan == .complete)
        }
    }

    @Test func `depth costs no stack`() {
        #expect(scan(String(repeating: "[", count: 10_000)).scan == .tooDeep)
        let deep = String(repeating: "[", count: 1_000) + String(repeating: "]", count: 1_000)
        #expect(scan(deep).scan == .complete)
        let mixed = String(repeating: #"{"a":["#, count: 500) + String(repeating: "]}", count: 500)
        #expect(scan(mixed).scan == .complete)
        let wrong = String(repeating: #"{"a":["#, count: 500) + String(repeating: "}]", count: 500)
        #expect(scan(wrong).scan == .invalid)
    }

    @Test func `an outline names members and their members`() {
        let text = #"{"time":"T","re\u0063ord": {"requestId":"x", "list":[{"no":1}], "deep":{"no":2}} ,"n":[1,2]}"#
        let outline = JSONOutline()
        let bytes = Array(text.utf8)
        bytes.withUnsafeBytes { buffer in
            var scanner = JSONScanner(buffer)
            #expect(scanner.scanValue(outline: outline) == .complete)
            func part(_ start: Int, _ end: Int) -> String { String(decoding: bytes[start..<end], as: UTF8.self) }
            let members = (0..<outline.memberCount).map { outline.members[$0] }
            #expect(members.map { part($0.keyStart, $0.keyEnd) } == ["time", #"re\u0063ord"#, "n"])
            #expect(members.map(\.keyHasEscapes) == [false, true, false])
            #expect(
                members.map { part($0.valueStart, $0.valueEnd) } == [
                    #""T""#, #"{"requestId":"x", "list":[{"no":1}], "deep":{"no":2}}"#, "[1,2]",
                ])
            let fields = (0..<outline.fieldCount).map { outline.fields[$0] }
            #expect(fields.map { part($0.keyStart, $0.keyEnd) } == ["requestId", "list", "deep"])
            #expect(fields.map { part($0.valueStart, $0.valueEnd) } == [#""x""#, #"[{"no":1}]"#, #"{"no":2}"#])
        }
    }

    @Test func `brackets give an end to what is no JSON`() {
        func end(_ text: String) -> Int? {
            Array(text.utf8).withUnsafeBytes { JSONScanner($0).balancedEnd(from: 0, limit: $0.count) }
        }
        #expect(end(#"{"a":NaN,"b":"}"},x"#) == 17)
        #expect(end("NaN,1") == 3)
        #expect(end("01}") == 2)
        #expect(end("[1,2") == nil)
        #expect(end(String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)) == 20_000)
    }
}
