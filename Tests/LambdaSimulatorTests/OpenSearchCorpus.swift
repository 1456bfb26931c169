import Deflate

@testable import LambdaSimulator

/// One request of the corpus that the stand-in and the real node must answer alike.
struct CorpusRequest: Sendable {
    var name: String
    var method = "POST"
    var path = "/_bulk"
    var headers = ["Content-Type": "application/x-ndjson"]
    var body: [UInt8]?

    init(_ name: String, _ text: String) {
        self.name = name
        body = Array(text.utf8)
    }

    init(_ name: String, bytes: [UInt8], encoding: String? = nil) {
        self.name = name
        body = bytes
        if let encoding { headers["Content-Encoding"] = encoding }
    }

    init(_ method: String, _ path: String, json: String? = nil, name: String? = nil) {
        self.name = name ?? "\(method) \(path)"
        self.method = method
        self.path = path
        headers = json == nil ? [:] : ["Content-Type": "application/json"]
        body = json.map { Array($0.utf8) } ?? (method == "POST" ? [] : nil)
    }

    func with(path: String) -> CorpusRequest {
        var copy = self
        copy.path = path
        return copy
    }

    func with(contentType: String?) -> CorpusRequest {
        var copy = self
        copy.headers["Content-Type"] = contentType
        return copy
    }
}

/// In order: later requests meet what earlier ones have stored. Index names begin with `corpus-`.
enum OpenSearchCorpus {
    static func pair(_ id: String, _ source: String, index: String = "corpus-a", operation: String = "create") -> String
    {
        #"{"\#(operation)":{"_index":"\#(index)","_id":"\#(id)"}}"# + "\n" + source + "\n"
    }

    static let framing: [CorpusRequest] = [
        CorpusRequest("two documents", pair("1", #"{"n":1}"#) + pair("2", #"{"n":2}"#)),
        CorpusRequest("the same once more", pair("1", #"{"n":1}"#) + pair("2", #"{"n":2}"#)),
        CorpusRequest("twice in one request", pair("3", #"{"n":1}"#) + pair("3", #"{"n":1}"#)),
        CorpusRequest("no newline at the end", String(pair("4", #"{"n":1}"#).dropLast())),
        CorpusRequest("an empty body", bytes: []),
        CorpusRequest("only newlines", "\n\n\n"),
        CorpusRequest("blank lines between pairs", pair("5", #"{"n":1}"#) + "\n\n" + pair("6", #"{"n":1}"#)),
        CorpusRequest(
            "carriage returns", pair("7", #"{"n":1}"#).split(separator: "\n").joined(separator: "\r\n") + "\r\n"),
        CorpusRequest(
            "the last source line is missing", pair("8", #"{"n":1}"#) + #"{"create":{"_index":"corpus-a"}}"# + "\n"),
        CorpusRequest("no index anywhere", "{\"create\":{\"_id\":\"1\"}}\n{}\n"),
        CorpusRequest("the index in the path", "{\"create\":{\"_id\":\"p1\"}}\n{\"n\":1}\n").with(
            path: "/corpus-a/_bulk"),
        CorpusRequest("an id of 512 bytes", pair(String(repeating: "j", count: 512), #"{"n":1}"#)),
        CorpusRequest("an id of 513 bytes", pair("9", "{}") + pair(String(repeating: "j", count: 513), #"{"n":1}"#)),
        CorpusRequest("an empty id", pair("", #"{"n":1}"#) + pair("10", #"{"n":1}"#)),
        CorpusRequest("a null id", "{\"create\":{\"_index\":\"corpus-a\",\"_id\":null}}\n{\"n\":1}\n"),
        CorpusRequest("an action line cut off", "{\"create\":{\"_index\":\"corpus-a\"\n{\"n\":1}\n"),
        CorpusRequest("an action line that is no JSON", "create\n{\"n\":1}\n"),
        CorpusRequest("an action line that is an array", "[1]\n{\"n\":1}\n"),
        CorpusRequest("an unknown action", "{\"x\":{\"_index\":\"corpus-a\"}}\n{\"n\":1}\n"),
        CorpusRequest("a source where an action belongs", pair("11", "{}") + "{\"n\":1}\n"),
        CorpusRequest("an unknown parameter", "{\"create\":{\"_index\":\"corpus-a\",\"_type\":\"t\"}}\n{}\n"),
        CorpusRequest("an object as parameter", "{\"create\":{\"_index\":{\"a\":1}}}\n{}\n"),
        CorpusRequest("an empty action", "{}\n{}\n"),
        CorpusRequest("an unknown query parameter", pair("12", "{}")).with(path: "/_bulk?refrsh=true"),
        CorpusRequest("a known query parameter", pair("12", "{}")).with(path: "/_bulk?timeout=10s"),
        CorpusRequest("no content type", pair("13", "{}")).with(contentType: nil),
        CorpusRequest("text/plain", pair("13", "{}")).with(contentType: "text/plain"),
        CorpusRequest("application/json with a charset", pair("13", "{}"))
            .with(contentType: "application/json; charset=utf-8"),
        CorpusRequest("GET", "/_bulk"),
        CorpusRequest("index twice", pair("14", "{}", operation: "index") + pair("14", "{}", operation: "index")),
        CorpusRequest(
            "update and delete",
            "{\"delete\":{\"_index\":\"corpus-a\",\"_id\":\"none\"}}\n"
                + "{\"update\":{\"_index\":\"corpus-a\",\"_id\":\"none\"}}\n{\"doc\":{\"n\":1}}\n"
                + "{\"update\":{\"_index\":\"corpus-a\",\"_id\":\"14\"}}\n{\"doc\":{\"n\":5}}\n"
                + "{\"delete\":{\"_index\":\"corpus-a\",\"_id\":\"14\"}}\n"),
        CorpusRequest("an upper-case index", pair("1", "{}", index: "CORPUS") + pair("15", "{}")),
        CorpusRequest("an index with a blank", pair("1", "{}", index: "corpus b")),
        CorpusRequest("an index that begins with an underscore", pair("1", "{}", index: "_corpus")),
        CorpusRequest("an unknown pipeline", pair("16", "{}")).with(path: "/_bulk?pipeline=nope"),
        CorpusRequest(
            "an alias is required", "{\"create\":{\"_index\":\"corpus-a\",\"_id\":\"17\",\"require_alias\":true}}\n{}\n"
        ),
        CorpusRequest("filter_path", pair("1", "{}") + pair("18", "{}"))
            .with(path: "/_bulk?filter_path=errors,items.*._id,items.*.status,items.*.error.type,items.*.error.reason"),
        CorpusRequest("filter_path of errors only", pair("1", "{}") + pair("19", "{}"))
            .with(path: "/_bulk?filter_path=items.*.error"),
        CorpusRequest("filter_path that excludes", pair("20", "{}")).with(path: "/_bulk?filter_path=-items.*._shards"),
        CorpusRequest("filter_path of nothing", pair("21", "{}")).with(path: "/_bulk?filter_path=nothing.at.all"),
        CorpusRequest("filter_path with stars", pair("22", "{}")).with(path: "/_bulk?filter_path=**._id"),
    ]

    static let sources: [CorpusRequest] =
        [
            "", #"{"a":1"#, #"{"a":1,}"#, #"{"a":nan}"#, #"{"a":NaN}"#, #"{"a":01}"#, #"{"a":+1}"#, #"{"a":.5}"#,
            #"{"a":"\x41"}"#, #"{"a":1}x"#, "[1]", #""x""#, "5", "null", #"{"a":1,"a":2}"#, #"{"o":{"b":1,"b":2}}"#,
            "{\"s\":\"a\tb\"}", "{\"s\":\"a\u{0}b\"}", #"{"s":"\u0000"}"#, #"{"s":"\ud83d"}"#, #"{"s":"\ude00\ud83d"}"#,
            #"{"s":"\ud83d\ude00"}"#, "{\"s\":\"\u{7f}\u{2028}\"}", #"/*c*/{"s":"x"}"#, "{\"s\":\"x\"} ",
            #"{"big":123456789012345678901234567890}"#, #"{"d":1e400}"#, #"{"d":1.5}"#, #"{"":1}"#, #"{".":1}"#,
            #"{"..":1}"#, #"{".k":1}"#, #"{"k..l":1}"#, #"{"m.":1}"#, #"{"_id":1}"#, #"{"_source":1}"#, #"{"_x":1}"#,
            #"{"x*":1}"#, #"{"q.r":1,"q.s":{"t":2}}"#, #"{"e":[]}"#, #"{"e":null}"#, #"{"t":true}"#, "{}",
        ].enumerated().map { entry in
            CorpusRequest(
                "source \(entry.offset): \(entry.element)", pair("s\(entry.offset)", entry.element, index: "corpus-s"))
        } + [
            CorpusRequest("an invalid byte", bytes: bytes("sb1", [0xFF])),
            CorpusRequest("a cut sequence", bytes: bytes("sb2", [0xE2, 0x82])),
            CorpusRequest("an encoded surrogate", bytes: bytes("sb3", [0xED, 0xA0, 0xBD])),
            CorpusRequest("an overlong form", bytes: bytes("sb4", [0xC0, 0xAF])),
            CorpusRequest(
                "a number of 1,500 digits",
                pair("sb5", "{\"huge\":" + String(repeating: "9", count: 1500) + "}", index: "corpus-s")),
            CorpusRequest(
                "30 nested arrays",
                pair(
                    "sb6", "{\"nest\":" + String(repeating: "[", count: 30) + String(repeating: "]", count: 30) + "}",
                    index: "corpus-s")),
            CorpusRequest(
                "30 nested objects",
                pair(
                    "sb7", String(repeating: "{\"deep\":", count: 30) + "1" + String(repeating: "}", count: 30),
                    index: "corpus-s")),
            CorpusRequest("two good documents around a bad one", pair("g1", "{}") + pair("g2", "{") + pair("g3", "{}")),
        ]

    private static func bytes(_ id: String, _ inside: [UInt8]) -> [UInt8] {
        Array(#"{"create":{"_index":"corpus-s","_id":"\#(id)"}}"#.utf8) + Array("\n{\"s\":\"".utf8) + inside
            + Array("\"}\n".utf8)
    }

    static let mapping: [CorpusRequest] =
        conflicts(index: "corpus-m") + [
            CorpusRequest(
                "PUT", "/_index_template/corpus-lax",
                json: """
                    {"index_patterns":["corpus-lax*"],"priority":3,"template":{"settings":\
                    {"index.mapping.ignore_malformed":true},"mappings":{"properties":{"@timestamp":{"type":"date"},\
                    "record":{"type":"object","properties":{"message":{"type":"text"}}},"record_text":{"type":"text"}}}}}
                    """)
        ] + conflicts(index: "corpus-lax") + [
            CorpusRequest("@timestamp no date", pair("w1", #"{"@timestamp":"yesterday"}"#, index: "corpus-lax")),
            CorpusRequest(
                "PUT", "/corpus-strict", json: #"{"mappings":{"dynamic":"strict","properties":{"a":{"type":"long"}}}}"#),
            CorpusRequest(
                "strict",
                pair("1", #"{"z":1}"#, index: "corpus-strict") + pair("2", #"{"a":1}"#, index: "corpus-strict")),
            CorpusRequest("PUT", "/corpus-few", json: #"{"settings":{"index.mapping.total_fields.limit":4}}"#),
            CorpusRequest("few fields", pair("1", #"{"a":1,"b":2}"#, index: "corpus-few")),
            CorpusRequest("too many fields", pair("2", #"{"c":1,"d":2,"e":3}"#, index: "corpus-few")),
            CorpusRequest("known fields still", pair("3", #"{"a":1}"#, index: "corpus-few")),
            CorpusRequest(
                "PUT", "/corpus-off", json: #"{"mappings":{"properties":{"record":{"type":"object","enabled":false}}}}"#
            ),
            CorpusRequest(
                "enabled false",
                pair("1", #"{"record":1}"#, index: "corpus-off")
                    + pair("2", #"{"record":{"a":[1,"x",{}]}}"#, index: "corpus-off")
                    + pair("3", #"{"record":{"a":1,"a":2}}"#, index: "corpus-off")),
            CorpusRequest(
                "PUT", "/corpus-no", json: #"{"mappings":{"dynamic":false,"properties":{"a":{"type":"long"}}}}"#),
            CorpusRequest(
                "dynamic false",
                pair("1", #"{"b":1}"#, index: "corpus-no") + pair("2", #"{"b":{"c":1}}"#, index: "corpus-no")
                    + pair("3", #"{"a":"x"}"#, index: "corpus-no")),
            CorpusRequest("dates") { dates },
        ]

    private static func conflicts(index: String) -> [CorpusRequest] {
        let first = [
            ("1", #"{"record":{"message":"m","n":1,"f":1.5,"b":true,"d":"2026-07-29T08:00:00Z","o":{"p":1}}}"#)
        ]
        let then = [
            ("2", #"{"record":"text"}"#), ("3", #"{"record":5}"#), ("4", #"{"record":null}"#), ("5", #"{"record":[]}"#),
            ("6", #"{"record":[{"n":2},{"n":3}]}"#), ("7", #"{"record":[1]}"#),
            ("8", #"{"record":{"message":{"a":1}}}"#),
            ("9", #"{"record":{"n":"text"}}"#), ("10", #"{"record":{"n":"7"}}"#), ("11", #"{"record":{"n":1.7}}"#),
            ("12", #"{"record":{"n":""}}"#), ("13", #"{"record":{"n":[1,2]}}"#), ("14", #"{"record":{"n":true}}"#),
            ("15", #"{"record":{"n":{"a":1}}}"#), ("16", #"{"record":{"n":12345678901234567890}}"#),
            ("17", #"{"record":{"f":"x"}}"#), ("18", #"{"record":{"f":1e400}}"#), ("19", #"{"record":{"b":"true"}}"#),
            ("20", #"{"record":{"b":1}}"#), ("21", #"{"record":{"d":"no date"}}"#),
            ("22", #"{"record":{"d":1790000000}}"#),
            ("23", #"{"record":{"d":true}}"#), ("24", #"{"record":{"o":1}}"#), ("25", #"{"record":{"o":"x"}}"#),
            ("26", #"{"record":{"message":5}}"#), ("27", #"{"record":{"message":[1,"a",null]}}"#),
            ("28", #"{"record":{"new":123456789012345678901234567890}}"#), ("29", #"{"record":{"o.p":2}}"#),
            ("30", #"{"record":{"n.x":2}}"#), ("31", #"{"record":{"b":""}}"#), ("32", #"{"record":{"d":""}}"#),
        ]
        return (first + then).map { id, source in
            CorpusRequest("\(index) \(id): \(source)", pair("m" + id, source, index: index))
        }
    }

    private static let dates: String = {
        let texts = [
            "2026-07-29T08:00:00.702Z", "2026-07-29T08:00:00Z", "2026-07-29T08:00:00.123456789Z",
            "2026-07-29T08:00:00.1234567890Z", "2026-07-29T08:00:00,5Z", "2026-07-29T08:00:00+00:00",
            "2026-07-29T08:00:00+0000", "2026-07-29T08:00:00+02", "2026-07-29T08:00:00", "2026-07-29T08:00",
            "2026-07-29", "2026-07", "2026", "1790000000000", "-5", "1.5", "2026-07-29 08:00:00",
            "2026-07-29t08:00:00z",
            "2026-07-29T08:00:60Z", "2026-07-29T24:00:00Z", "2026-02-30", "2026-02-29", "2028-02-29", "2026-2-3",
            "20260-01-01", "", " 2026-07-29",
        ]
        return texts.enumerated().map {
            pair("d\($0.offset)", #"{"@timestamp":"\#($0.element)"}"#, index: "corpus-dates")
        }
        .joined()
    }()

    static let compression: [CorpusRequest] = {
        let body = Array((pair("z1", #"{"n":1}"#) + pair("z2", #"{"n":2}"#)).utf8)
        let again = Array((pair("z3", #"{"n":1}"#) + pair("z4", #"{"n":2}"#)).utf8)
        guard let gzip = try? Inflater.gzip(body, level: 6), let second = try? Inflater.gzip(again, level: 1) else {
            return []
        }
        var wrongCRC = gzip
        wrongCRC[gzip.count - 8] ^= 0xFF
        var wrongLength = gzip
        wrongLength[gzip.count - 1] ^= 0xFF
        return [
            CorpusRequest("gzip", bytes: gzip, encoding: "gzip"),
            CorpusRequest("two members", bytes: gzip + second, encoding: "gzip"),
            CorpusRequest("GZIP", bytes: second, encoding: "GZIP"),
            CorpusRequest("x-gzip", bytes: second, encoding: "x-gzip"),
            CorpusRequest("identity on plain", bytes: body, encoding: "identity"),
            CorpusRequest("an unknown coding on plain", bytes: body, encoding: "br"),
            CorpusRequest("half a trailer", bytes: gzip.dropLast(4), encoding: "gzip"),
            CorpusRequest("no trailer", bytes: gzip.dropLast(8), encoding: "gzip"),
            CorpusRequest("cut in the middle", bytes: gzip.dropLast(gzip.count / 2), encoding: "gzip"),
            CorpusRequest("wrong CRC", bytes: wrongCRC, encoding: "gzip"),
            CorpusRequest("wrong length", bytes: wrongLength, encoding: "gzip"),
            CorpusRequest("junk behind", bytes: gzip + Array("junk and more junk".utf8), encoding: "gzip"),
            CorpusRequest("zero bytes behind", bytes: gzip + [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], encoding: "gzip"),
            CorpusRequest("not gzip", bytes: body, encoding: "gzip"),
            CorpusRequest("gzip without saying so", bytes: gzip),
        ]
    }()

    static let administration: [CorpusRequest] = [
        CorpusRequest("GET", "/"),
        CorpusRequest("PUT", "/corpus-new"), CorpusRequest("PUT", "/corpus-new", name: "PUT once more"),
        CorpusRequest("PUT", "/CORPUS"), CorpusRequest("HEAD", "/corpus-new"), CorpusRequest("HEAD", "/corpus-none"),
        CorpusRequest("GET", "/corpus-none"), CorpusRequest("GET", "/corpus-a/_doc/1"),
        CorpusRequest("GET", "/corpus-a/_doc/none"), CorpusRequest("GET", "/corpus-none/_doc/1"),
        CorpusRequest("GET", "/corpus-none/_count"), CorpusRequest("GET", "/corpus-new/_count"),
        CorpusRequest("GET", "/_index_template/corpus-t"), CorpusRequest("HEAD", "/_index_template/corpus-t"),
        CorpusRequest("PUT", "/_index_template/corpus-t", json: #"{"index_patterns":["corpus-t-*"],"priority":7}"#),
        CorpusRequest("HEAD", "/_index_template/corpus-t", name: "HEAD of a template that is there"),
        CorpusRequest("PUT", "/_index_template/corpus-t?create=true", json: #"{"index_patterns":["corpus-t-*"]}"#),
        CorpusRequest("PUT", "/_index_template/corpus-u", json: #"{"index_patterns":["corpus-t-*"],"priority":7}"#),
        CorpusRequest("PUT", "/_index_template/corpus-v", json: #"{"index_patterns":["corpus-v"]"#),
        CorpusRequest("PUT", "/_index_template/corpus-v", json: #"{"foo":1}"#),
        CorpusRequest("DELETE", "/_index_template/corpus-none"),
        CorpusRequest("PUT", "/corpus-new/_settings", json: #"{"index.blocks.write":true}"#),
        CorpusRequest("a write block", pair("1", "{}", index: "corpus-new") + pair("b1", "{}")),
        CorpusRequest("PUT", "/corpus-new/_settings", json: #"{"index.blocks.write":false}"#),
        CorpusRequest("PUT", "/corpus-new/_settings", json: #"{"index.blocks.read_only_allow_delete":true}"#),
        CorpusRequest("flood stage", pair("1", "{}", index: "corpus-new") + pair("b2", "{}")),
        CorpusRequest("PUT", "/corpus-new/_settings", json: #"{"index.blocks.read_only_allow_delete":null}"#),
        CorpusRequest("POST", "/corpus-new/_close"),
        CorpusRequest("a closed index", pair("1", "{}", index: "corpus-new") + pair("b3", "{}")),
        CorpusRequest("PUT", "/_index_template/corpus-ds", json: #"{"index_patterns":["corpus-ds"],"data_stream":{}}"#),
        CorpusRequest("a data stream", pair("1", #"{"@timestamp":"2026-07-29T08:00:00Z"}"#, index: "corpus-ds")),
        CorpusRequest("the same id again", pair("1", #"{"@timestamp":"2026-07-29T08:00:00Z"}"#, index: "corpus-ds")),
        CorpusRequest(
            "no timestamp", pair("2", "{}", index: "corpus-ds") + pair("3", #"{"@timestamp":null}"#, index: "corpus-ds")
        ),
        CorpusRequest(
            "index into it", pair("4", #"{"@timestamp":"2026-07-29"}"#, index: "corpus-ds", operation: "index")),
        CorpusRequest("GET", "/_unknown/x"),
    ]
}

private extension CorpusRequest {
    init(_ name: String, _ body: () -> String) { self.init(name, body()) }
}

private extension Array<UInt8> {
    func dropLast(_ count: Int) -> [UInt8] { Array(self[..<(self.count - count)]) }
}
