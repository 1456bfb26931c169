import LambdaSimulator
import Testing

/// Bodies that no platform should send. After each the process serves on and the books balance.
@Suite(.together) struct BadInputTests {
    struct Input: Sendable, CustomTestStringConvertible {
        var name: String
        /// `{marker}` is replaced by a marker, `{time}` by now.
        var body: [UInt8]
        /// Markers that must end in a document.
        var delivered = 1
        /// Events of which nothing more is said than that they are counted.
        var others = 0

        init(_ name: String, _ body: String, delivered: Int = 1, others: Int = 0) {
            self.init(name, bytes: Array(body.utf8), delivered: delivered, others: others)
        }

        init(_ name: String, bytes: [UInt8], delivered: Int, others: Int = 0) {
            self.name = name
            self.body = bytes
            self.delivered = delivered
            self.others = others
        }

        var testDescription: String { name }
    }

    private static func event(_ record: String, time: String = #""{time}""#, type: String = #""function""#) -> String {
        "{\"time\":\(time),\"type\":\(type),\"record\":\(record)}"
    }

    private static func event(bytes record: [UInt8]) -> [UInt8] {
        Array(#"[{"time":"{time}","type":"function","record":""#.utf8) + record + Array("\"}]".utf8)
    }

    static let inputs: [Input] = [
        Input("garbage", "{marker} \u{1}\u{2} is no JSON at all", delivered: 0, others: 1),
        Input("an object instead of an array", #"{"what":"{marker}"}"#, delivered: 0, others: 1),
        Input("a number", "42", delivered: 0, others: 1),
        Input("an empty array", "[]", delivered: 0),
        Input("an array of blanks", " [ \r\n\t ] ", delivered: 0),
        Input("an empty body", "", delivered: 0),
        Input(
            "truncated after a whole event", "[\(event(#""{marker}""#)),{\"time\":\"{time}\",\"ty", delivered: 1,
            others: 1),
        Input(
            "raw control characters in a string", bytes: event(bytes: Array("{marker} a\u{1}b\u{8}c\td".utf8)),
            delivered: 1),
        Input(
            "a raw NUL in a string", bytes: event(bytes: Array("{marker} a".utf8) + [0] + Array("b".utf8)), delivered: 1
        ),
        Input("raw line ends in a string", bytes: event(bytes: Array("{marker} a\r\nb\nc".utf8)), delivered: 1),
        Input("control characters between tokens", "[\u{c}\(event(#""{marker}""#))\u{b}]"),
        Input(
            "invalid UTF-8", bytes: event(bytes: Array("{marker} ".utf8) + [0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80]),
            delivered: 1),
        Input(
            "an overlong encoding", bytes: event(bytes: Array("{marker} ".utf8) + [0xc0, 0xaf, 0xf5, 0x80]),
            delivered: 1),
        Input("escaped NUL and lone surrogates", "[\(event(#""{marker} \u0000 \ud800 \udc00x""#))]"),
        Input(
            "ten thousand nested arrays",
            "[\(event(String(repeating: "[", count: 10_000) + "\"{marker}\"" + String(repeating: "]", count: 10_000)))]"
        ),
        Input(
            "huge numbers",
            "[\(event(#"{"m":"{marker}","n":1e400,"d":\#(String(repeating: "9", count: 400)),"e":-0.0}"#))]"),
        Input(
            "duplicate keys",
            #"[{"time":"{time}","type":"function","record":"a","record":"{marker}","type":"function"}]"#),
        Input("duplicate keys in a record", "[\(event(#"{"m":"{marker}","a":1,"a":"two"}"#))]"),
        Input("a time that is a number", "[\(event(#""{marker}""#, time: "17"))]"),
        Input("a time that is an object", "[\(event(#""{marker}""#, time: "{}"))]"),
        Input("a time that is no time", "[\(event(#""{marker}""#, time: "\"yesterday\""))]"),
        Input("a time without an end", "[\(event(#""{marker}""#, time: "\"99999-13-45T99:99:99Z\""))]"),
        Input("a type that is null", "[\(event(#""{marker}""#, type: "null"))]"),
        Input("a type that is an array", "[\(event(#""{marker}""#, type: "[1]"))]"),
        Input("a type nobody knows", "[\(event(#"{"m":"{marker}"}"#, type: "\"platform.tomorrow\""))]"),
        Input(
            "a report whose metrics are text",
            "[\(event(#"{"requestId":"{marker}","metrics":{"durationMs":"fast","x":[1]}}"#, type: "\"platform.report\""))]"
        ),
        Input("a report whose record is text", "[\(event(#""{marker}""#, type: "\"platform.report\""))]"),
        Input(
            "a start without a record", #"[{"time":"{time}","type":"platform.start"},\#(event(#""{marker}""#))]"#,
            others: 0),
        Input(
            "a record that is a number", "[\(event("12")),\(event("true")),\(event("null")),\(event(#""{marker}""#))]"),
        Input("a record that is an array", "[\(event(#"["{marker}",1]"#))]"),
        Input("events that are no objects", "[1,\"two\",null,[3],\(event(#""{marker}""#))]"),
        Input("field names that are odd", "[\(event(#"{"m":"{marker}","":1,".":2,"a..b":3,"_id":4}"#))]"),
        Input("a body behind a byte order mark", "\u{feff}[\(event(#""{marker}""#))]"),
        Input("two arrays in one body", "[\(event(#""{marker}""#))][\(event(#""{marker}""#))]"),
    ]

    @Test(arguments: inputs) func `after such a body the process serves on and the books balance`(_ input: Input) throws
    {
        let stage = try Stage(gateway: true) { setup in
            setup.variables["PERMAFROST_TYPES"] = "function"
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "1"
        }
        defer { stage.close() }
        try stage.environment.start()
        stage.sendInvoke()
        let port = try stage.port()
        let marker = stage.markers.next()
        let body = input.body.replacing("{marker}", with: marker)
            .replacing("{time}", with: WallClock.iso8601(ms: WallClock.nowMs()))
        #expect(try stage.postRaw(body, port: port) == 200)
        let courier = Courier(stage.markers)
        #expect(try courier.post(courier.body(3), port: port) == 200)
        let line = try stage.drainToTheEnd()
        #expect(line.isBalanced, "\(line.fields)")
        #expect(line.count("spooled") == 0)
        #expect(courier.audit(stage.search).missing.isEmpty)
        if input.delivered > 0 { #expect(stage.search.contains(marker), "\(line.fields)") }
        let received = line.count("received") ?? 0
        #expect(received >= 3 + input.delivered + input.others, "\(line.fields)")
        #expect(line.count("delivered") == stage.search.documentCount, "\(line.fields)")
        if input.delivered == 0 { #expect(received == 3 + input.others, "\(line.fields)") }
        #expect(stage.process == nil && stage.environment.exits(Stage.name).allSatisfy { $0.code == 0 })
    }

    @Test func `other methods get 405, and the connection goes on or is closed cleanly`() throws {
        let stage = try Stage()
        defer { stage.close() }
        try stage.environment.start()
        let port = try stage.port()
        for method in ["GET", "PUT", "DELETE", "PATCH", "BREW"] {
            #expect(try stage.postRaw([], port: port, method: method) == 405, "\(method)")
        }
        let courier = Courier(stage.markers)
        #expect(try courier.post(courier.body(1), port: port) == 200)
        stage.expectServes()
    }

    @Test func `any path, chunked bodies and kept connections are taken`() throws {
        let stage = try Stage { setup in
            setup.publisher.chunkBytes = 100
            setup.publisher.connections = 3
        }
        defer { stage.close() }
        for _ in 0..<5 { try stage.environment.invoke(.logging(20)) }
        stage.environment.thaw()
        let courier = Courier(stage.markers)
        for path in ["/", "/a/b?c=d", "*", "//", "/%00"] {
            let body = courier.body(1)
            let connection = try RawConnection(port: try stage.port())
            try connection.send(Courier.request(body.bytes, path: path))
            #expect(try connection.readResponse(timeout: .seconds(5)).status == 200, "\(path)")
        }
        let end = try stage.shutdown()
        #expect(end.books.isBalanced)
        #expect(end.books.count("spooled") == 0)
    }
}

extension Stage {
    /// It answers, and SHUTDOWN ends it with books that balance.
    func expectServes(sourceLocation: SourceLocation = #_sourceLocation) {
        do {
            sendInvoke()
            let courier = Courier(markers)
            #expect(try courier.post(courier.body(3), port: try port()) == 200, sourceLocation: sourceLocation)
            let line = try drainToTheEnd()
            #expect(line.isBalanced, "\(line.fields)", sourceLocation: sourceLocation)
            #expect(courier.audit(search).missing.isEmpty, sourceLocation: sourceLocation)
        } catch {
            Issue.record(error, sourceLocation: sourceLocation)
        }
    }
}

extension [UInt8] {
    func replacing(_ placeholder: String, with text: String) -> [UInt8] {
        var result: [UInt8] = []
        var rest = self[...]
        while let found = rest.firstRange(of: Array(placeholder.utf8)) {
            result += rest[..<found.lowerBound] + Array(text.utf8)
            rest = rest[found.upperBound...]
        }
        return result + rest
    }
}
