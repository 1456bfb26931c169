import Testing

@testable import TelemetrySinks

@Suite struct BulkLinesTests {
    static let lines = """
        {"create":{"_index":"lambda-function","_id":"e1-1-0"}}
        {"@timestamp":"2026-07-29T08:00:00.702Z","record":{"message":"\\"_id\\":\\"no\\""}}
        {"create":{"_id":"e1-1-1","_index":"lambda-platform"}}
        {}

        """

    @Test func `lines come as documents with index and id`() {
        let lines = BulkLines(Array(Self.lines.utf8))
        let documents = Array(lines)
        #expect(documents.map { lines.text($0.id) } == ["e1-1-0", "e1-1-1"])
        #expect(documents.map { lines.text($0.index) } == ["lambda-function", "lambda-platform"])
        #expect(lines.text(documents[1].document) == "{}")
        #expect(documents.map { lines.text($0.lines) }.joined() == Self.lines)
        #expect(lines.text(documents[0].action) == "{\"create\":{\"_index\":\"lambda-function\",\"_id\":\"e1-1-0\"}}\n")
    }

    @Test(arguments: [
        "", "\n", "{}", "{\"create\":{}}\n", "x\ny", "\n\n\n", "{\"create\":{\"_id\":\"a\\\"b\"}}\n{}\n",
        "\"_id\":\"\n\n",
    ])
    func `what is not of our making gives documents without id, never a trap`(text: String) {
        let lines = BulkLines(Array(text.utf8))
        for document in lines { #expect(lines.text(document.id).isEmpty) }
    }

    @Test func `documents lose their ids for collections that take none`() {
        let lines = "{\"create\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{\"x\":1}\n"
        let without = BulkLines.withoutIDs(Array(lines.utf8))
        #expect(String(decoding: without, as: UTF8.self) == "{\"index\":{\"_index\":\"a\"}}\n{\"x\":1}\n")
    }
}

@Suite struct SafeShapeTests {
    private func shape(_ text: String) -> String {
        String(decoding: SafeShape.document(from: Array(text.utf8)), as: UTF8.self)
    }

    @Test func `the record becomes text beside the fields we know`() {
        let line = """
            {"@timestamp":"2026-07-29T08:00:00.702Z","time":"2026-07-29T08:00:00.702Z","type":"function",\
            "record":{"user":{"a":1},"text":"x\\"y\\n"},\
            "faas":{"name":"f","version":"$LATEST","instance":"0123456789abcdef","invocation_id":"r-1"},\
            "cloud":{"account":{"id":"123456789012"},"region":"eu-west-1"}}
            """
        #expect(
            shape(line) == """
                {"@timestamp":"2026-07-29T08:00:00.702Z","time":"2026-07-29T08:00:00.702Z","type":"function",\
                "faas":{"name":"f","version":"$LATEST","instance":"0123456789abcdef","invocation_id":"r-1"},\
                "cloud":{"account":{"id":"123456789012"},"region":"eu-west-1"},\
                "record_text":"{\\"user\\":{\\"a\\":1},\\"text\\":\\"x\\\\\\"y\\\\n\\"}"}
                """)
    }

    @Test(arguments: [
        ("{\"record\":{\"message\":\"hi\"}}", "{\"record_text\":\"{\\\"message\\\":\\\"hi\\\"}\"}"),
        (
            "{\"time\":\"yesterday\",\"record\":{}}",
            "{\"record_text\":\"{\\\"time\\\":\\\"yesterday\\\",\\\"record\\\":{}}\"}"
        ),
        ("{\"time\":\"2026-02-30T00:00:00Z\"}", "{\"record_text\":\"{\\\"time\\\":\\\"2026-02-30T00:00:00Z\\\"}\"}"),
        ("{\"type\":5,\"record\":1}", "{\"record_text\":\"{\\\"type\\\":5,\\\"record\\\":1}\"}"),
        ("{\"faas\":{\"name\":{}},\"x\":1}", "{\"record_text\":\"{\\\"faas\\\":{\\\"name\\\":{}},\\\"x\\\":1}\"}"),
        ("{\"type\":\"a\",\"type\":\"b\"}", "{\"type\":\"a\",\"record_text\":\"{\\\"type\\\":\\\"b\\\"}\"}"),
        ("{}", "{\"record_text\":\"\"}"), ("{\"a\":", "{\"record_text\":\"{\\\"a\\\":\"}"),
        ("[1]", "{\"record_text\":\"[1]\"}"), ("", "{\"record_text\":\"\"}"),
    ])
    func `what fits no known field goes into the text, and nothing is lost`(line: String, safe: String) {
        #expect(shape(line) == safe)
    }

    @Test func `bytes that are no UTF-8 become text all the same`() {
        let safe = SafeShape.document(from: [UInt8(ascii: "{"), 0xff, 0x01, 0xc0])
        #expect(String(validating: safe, as: UTF8.self) != nil)
        #expect(!safe.contains { $0 < 0x20 })
    }

    @Test func `a safe document is known as one`() {
        #expect(SafeShape.isSafe(SafeShape.document(from: Array("{\"record\":{}}".utf8))))
        #expect(!SafeShape.isSafe(Array("{\"record\":{\"record_text\":\"x\"}}".utf8)))
        #expect(!SafeShape.isSafe(Array("{\"record\":{},\"record_text\":\"x\"}".utf8)))
        #expect(!SafeShape.isSafe(Array("junk".utf8)))
    }
}
