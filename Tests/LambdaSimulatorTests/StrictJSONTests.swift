import HTTPTransport
import Testing

@testable import LambdaSimulator

@Suite struct StrictJSONTests {
    @Test(arguments: [
        (#"{"a":1,"a":2}"#, "json_parse_exception"), (#"{"o":{"b":1,"b":2}}"#, "json_parse_exception"),
        ("{\"s\":\"a\tb\"}", "json_parse_exception"), (#"{"a":1"#, "json_e_o_f_exception"),
        (#"{"a":1,}"#, "json_parse_exception"), (#"{"a":01}"#, "json_parse_exception"), ("", "json_e_o_f_exception"),
        (#"{"a":NaN}"#, "json_parse_exception"), (#"{"s":"\x41"}"#, "json_parse_exception"),
    ])
    func `what the real parser refuses is refused under its name`(text: String, type: String) {
        #expect(throws: StrictJSONError.self) { try StrictJSON.parse(text) }
        do {
            _ = try StrictJSON.parse(text)
        } catch {
            #expect(error.type == type)
        }
    }

    @Test func `values keep their order and their digits`() throws {
        let text = #"{"z":1.50,"a":[true,null,-2e3],"s":"\u00e9\n\ud83d\ude00"}"#
        let value = try StrictJSON.parse(text)
        #expect(value.members?.map(\.name) == ["z", "a", "s"])
        #expect(value["z"] == .number("1.50"))
        #expect(value["s"] == .string("é\n😀"))
        #expect(value.description == #"{"z":1.50,"a":[true,null,-2e3],"s":"é\n😀"}"#)
    }

    @Test func `five thousand levels are read, ten thousand are an error and no crash`() throws {
        @Sendable func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        // The servers' threads have the stack for it; a test's thread has less.
        let verdict = Monitor<[Bool]>([])
        let server = try ServerThread(name: "deep") { _, responder in
            let results = [5_000, 10_000].map { (try? StrictJSON.parse(nested($0))) != nil }
            verdict.withLock { $0 = results }
            responder.respond(status: 200)
        }
        defer { server.stop() }
        _ = try PlainHTTP.send("GET", "http://127.0.0.1:\(server.port)/")
        #expect(verdict.withLock { $0 } == [true, false])
    }

    @Test func `filter_path keeps what it names and drops what it excludes`() throws {
        let answer = try StrictJSON.parse(
            #"{"took":1,"errors":true,"items":[{"create":{"_id":"1","status":201}},"#
                + #"{"create":{"_id":"2","status":400,"error":{"type":"t","reason":"r"}}}]}"#)
        func filtered(_ path: String) -> String { FilterPath(path)?.apply(to: answer).description ?? "" }
        #expect(
            filtered("errors,items.*._id,items.*.error.type")
                == #"{"errors":true,"items":[{"create":{"_id":"1"}},{"create":{"_id":"2","error":{"type":"t"}}}]}"#)
        #expect(filtered("items.*.error") == #"{"items":[{"create":{"error":{"type":"t","reason":"r"}}}]}"#)
        #expect(filtered("nothing.at.all") == "{}")
        #expect(filtered("**.reason") == #"{"items":[{"create":{"error":{"reason":"r"}}}]}"#)
        #expect(
            filtered("-items,-took") == #"{"errors":true}"#)
    }
}
