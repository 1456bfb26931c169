import Foundation
import HTTPTransport
import TelemetryModel
import Testing

@testable import TelemetrySinks

/// What is said about OpenSearch elsewhere, asked of a real node.
@Suite(.enabled(if: RealOpenSearch.isThere, RealOpenSearch.reason), RealOpenSearch())
struct RealOpenSearchTests {
    private let client: HTTPClient
    private let endpoint: Endpoint
    /// Names of a test's own, so that a node may be used again.
    private let prefix = "sinks-\(UInt32.random(in: 0...UInt32.max))"

    init() throws {
        client = try HTTPClient()
        endpoint = try Endpoint(parsing: RealOpenSearch.url)
    }

    private var bulk: BulkRequest {
        BulkRequest(endpoint: endpoint, authentication: endpoint.basicAuthentication, serverWaitSeconds: 1)
    }

    private func perform(_ request: HTTPRequest) throws -> (status: Int, answer: BulkAnswer) {
        let response = try client.perform(request)
        var parser = BulkResponseParser()
        parser.feed(response.body)
        return (response.status, parser.answer)
    }

    @discardableResult
    private func ask(
        _ method: String, _ path: [String], _ body: String? = nil, query: [(name: String, value: String)] = []
    ) throws -> (status: Int, text: String) {
        let response = try client.perform(
            HTTPRequest(
                method: method, url: endpoint.url(path: path, query: query),
                headers: body == nil ? [] : [HTTPHeader("Content-Type", "application/json")],
                body: body.map { Array($0.utf8) }, authentication: endpoint.basicAuthentication))
        return (response.status, String(decoding: response.body, as: UTF8.self))
    }

    /// The verdict on one document; nil when it is delivered.
    private func send(_ document: [UInt8], id: String, to index: String) throws -> BulkAnswer.FailedItem? {
        let lines = Array("{\"create\":{\"_index\":\"\(index)\",\"_id\":\"\(id)\"}}\n".utf8) + document + [0x0a]
        let (status, answer) = try perform(bulk.plain(lines: lines))
        try #require(status == 200 && answer.items == 1 && answer.isComplete)
        return answer.failed.first
    }

    private func setUp(_ mode: IndexSetupMode, pattern: String, index: String) throws -> (
        outcome: IndexSetupOutcome?, requests: [String]
    ) {
        var flow = IndexSetupFlow(
            mode: mode, pattern: try #require(IndexPattern(pattern)), index: index, endpoint: endpoint,
            authentication: endpoint.basicAuthentication)
        var methods: [String] = []
        while let request = flow.request, methods.count < 5 {
            methods.append(request.method)
            flow.received(.success(try client.perform(request)))
        }
        return (flow.outcome, methods)
    }

    @Test func `a bulk request joined from chunks is taken, and taken again is delivered all the same`() throws {
        let ids = (0..<300).map { "0123456789abcdef-1-\($0)" }
        let texts = stride(from: 0, to: 300, by: 100).map { start in
            ids[start..<(start + 100)].map {
                "{\"create\":{\"_index\":\"\(prefix)-joined\",\"_id\":\"\($0)\"}}\n{\"record\":{\"message\":\"\($0)\"}}\n"
            }.joined()
        }
        let request = bulk.gzip(try BulkRequestTests.pieces(texts))
        let digest = ids.reduce(UInt64(0)) { $0 &+ DocumentIDHash.hash(of: $1.utf8) }
        for _ in 0..<2 {
            let (status, answer) = try perform(request)
            #expect(status == 200 && answer.isComplete)
            #expect(answer.confirmsAll(events: 300, digest: digest))
        }
    }

    @Test func `a gzip body that lacks a chunk confirms what it holds`() throws {
        let texts = (0..<3).map {
            "{\"create\":{\"_index\":\"\(prefix)-cut\",\"_id\":\"\($0)\"}}\n{\"record\":{\"message\":\"x\"}}\n"
        }
        let pieces = try BulkRequestTests.pieces(texts)
        var request = bulk.gzip(pieces)
        request.body = Array(try #require(request.body).prefix(10 + pieces[0].stored.count + pieces[1].stored.count))
        let (status, answer) = try perform(request)
        #expect(status == 200)
        #expect(answer.good == ["0", "1"].map { DocumentIDHash.hash(of: $0.utf8) })
        #expect(!answer.confirmsAll(events: 3, digest: answer.goodDigest))
    }

    @Test func `the template is put once and gives new indices our mapping`() throws {
        let index = "\(prefix)-day-2026.07.29"
        let first = try setUp(.template, pattern: "\(prefix)-day-%Y.%m.%d", index: index)
        #expect(first.outcome == .ready && first.requests == ["GET", "PUT"])
        let second = try setUp(.template, pattern: "\(prefix)-day-%Y.%m.%d", index: index)
        #expect(second.outcome == .ready && second.requests == ["GET"])
        // Types that do not agree are kept, because malformed values are ignored.
        for (id, document) in [
            "{\"time\":\"yesterday\",\"type\":\"function\",\"record\":{\"n\":1,\"message\":\"m\"}}",
            "{\"time\":\"2026-07-29T08:00:00Z\",\"type\":\"function\",\"record\":{\"n\":\"one\",\"message\":{\"a\":1}}}",
        ].enumerated() {
            #expect(try send(Array(document.utf8), id: "\(id)", to: index) == nil)
        }
        let mapping = try ask("GET", [index, "_mapping"]).text
        #expect(mapping.contains("\"record_text\":{\"type\":\"text\"}"))
        #expect(mapping.contains("\"message\":{\"type\":\"text\"}"))
        #expect(mapping.contains("\"@timestamp\":{\"type\":\"date\"}"))
    }

    @Test func `a user's template for the same names is not overridden`() throws {
        try ask(
            "PUT", ["_index_template", "\(prefix)-user"],
            "{\"index_patterns\":[\"\(prefix)-theirs-*\"],\"priority\":100,\"data_stream\":{}}")
        let result = try setUp(.template, pattern: "\(prefix)-theirs-%Y", index: "\(prefix)-theirs-2026")
        #expect(result.outcome == .ready && result.requests == ["GET"])
        let failure = try send(
            Array("{\"@timestamp\":\"2026-07-29T08:00:00Z\",\"record\":{}}".utf8), id: "1", to: "\(prefix)-theirs-2026")
        #expect(failure == nil)
        #expect(
            try setUp(.index, pattern: "\(prefix)-theirs-%Y", index: "\(prefix)-theirs-2027").outcome
                == .refused(.otherTemplate))
    }

    @Test func `a template of the same priority that overlaps is noted`() throws {
        try ask(
            "PUT", ["_index_template", "\(prefix)-rival"],
            "{\"index_patterns\":[\"\(prefix)-rival-x*\"],\"priority\":\(IndexSetup.templatePriority),\"template\":{}}")
        let result = try setUp(.template, pattern: "\(prefix)-rival-%Y", index: "\(prefix)-rival-2026")
        #expect(result.outcome == .refused(.otherTemplate))
    }

    @Test func `an index is made once`() throws {
        let index = "\(prefix)-index"
        #expect(try setUp(.index, pattern: index, index: index).requests == ["HEAD", "PUT"])
        let again = try setUp(.index, pattern: index, index: index)
        #expect(again.outcome == .ready && again.requests == ["HEAD"])
    }

    @Test func `the safe shape is taken after every fault of a document`() throws {
        let mapped = "\(prefix)-faults"
        // Narrow limits and no leniency, but for `record_text` as our own template has it.
        let created = try ask(
            "PUT", [mapped],
            """
            {"settings":{"index.mapping.total_fields.limit":70,"index.mapping.depth.limit":5},
            "mappings":{"properties":{"record_text":{"type":"text"},"type":{"type":"keyword"},
            "time":{"type":"date"},"@timestamp":{"type":"date"},
            "faas":{"properties":{"name":{"type":"keyword"}}},
            "record":{"properties":{"object":{"type":"object"},"number":{"type":"long"},"when":{"type":"date"},
            "word":{"type":"keyword"},"text":{"type":"text"},"strict":{"type":"object","dynamic":"strict"}}}}}}
            """)
        try #require(created.status == 200, "\(created.text)")
        let many = (0..<80).map { "\"f\($0)\":1" }.joined(separator: ",")
        let deep = String(repeating: "{\"a\":", count: 12) + "1" + String(repeating: "}", count: 12)
        let faults: [(name: String, record: String)] = [
            ("scalar for object", "{\"object\":5}"), ("object for text", "{\"text\":{\"a\":1}}"),
            ("text for number", "{\"number\":\"many\"}"), ("bad date", "{\"when\":\"soon\"}"),
            ("integer out of range", "{\"number\":123456789012345678901234567890}"),
            ("immense term", "{\"word\":\"\(String(repeating: "w", count: 40_000))\"}"),
            ("too many fields", "{\(many)}"), ("too deep", deep), ("strict", "{\"strict\":{\"new\":1}}"),
            ("empty name", "{\"\":1}"), ("dots", "{\"a..b\":1}"), ("duplicate", "{\"a\":1,\"a\":2}"),
            ("long number", "{\"n\":\(String(repeating: "1", count: 1500))}"),
            ("nested arrays", String(repeating: "[", count: 30) + String(repeating: "]", count: 30)),
            ("array of scalars for object", "[1,2]"), ("text for object", "\"text\""),
        ]
        for (number, fault) in faults.enumerated() {
            let document = Array(
                """
                {"@timestamp":"2026-07-29T08:00:00.702Z","time":"2026-07-29T08:00:00.702Z","type":"function",\
                "record":\(fault.record),"faas":{"name":"f"}}
                """.utf8)
            let failure = try #require(try send(document, id: "f\(number)", to: mapped), "\(fault.name) was taken")
            #expect(failure.verdict == .documentAtFault, "\(fault.name): \(failure)")
            let safe = SafeShape.document(from: document)
            #expect(try send(safe, id: "f\(number)", to: mapped) == nil, "\(fault.name)")
        }
        for (number, line) in ["{\"a\":", "[1]", "", "{\"time\":\"never\"}", "nothing"].enumerated() {
            let failure = try #require(try send(Array(line.utf8), id: "l\(number)", to: mapped), "\(line) was taken")
            #expect(failure.verdict == .documentAtFault)
            #expect(try send(SafeShape.document(from: Array(line.utf8)), id: "l\(number)", to: mapped) == nil)
        }
    }

    @Test func `what is the index's fault stays, what is a pipeline's gets bounded tries`() throws {
        let document = Array("{\"record\":{\"message\":\"x\"}}".utf8)
        func verdict(_ name: String, _ prepare: (String) throws -> Void) throws -> ItemVerdict? {
            let index = "\(prefix)-\(name)"
            #expect(try ask("PUT", [index], "{\"settings\":{\"number_of_replicas\":0}}").status == 200)
            try prepare(index)
            return try send(document, id: name, to: index)?.verdict
        }
        func settings(_ text: String) -> (String) throws -> Void {
            { index in
                let answer = try ask("PUT", [index, "_settings"], text)
                #expect(answer.status == 200)
            }
        }
        func pipeline(_ processor: String) -> (String) throws -> Void {
            { index in
                let answer = try ask("PUT", ["_ingest", "pipeline", index], "{\"processors\":[\(processor)]}")
                #expect(answer.status == 200)
                try settings("{\"index.default_pipeline\":\"\(index)\"}")(index)
            }
        }
        let slow = ItemVerdict.indexUnavailable(slow: true)
        func close(_ index: String) throws { #expect(try ask("POST", [index, "_close"]).status == 200) }
        #expect(try verdict("closed", close) == slow)
        #expect(try verdict("write", settings("{\"index.blocks.write\":true}")) == slow)
        #expect(try verdict("read-only", settings("{\"index.blocks.read_only\":true}")) == slow)
        #expect(try verdict("flood", settings("{\"index.blocks.read_only_allow_delete\":true}")) == slow)
        #expect(try verdict("no-pipeline", settings("{\"index.default_pipeline\":\"\(prefix)-gone\"}")) == slow)
        #expect(try verdict("fails", pipeline("{\"fail\":{\"message\":\"no\"}}")) == .pipelineFailure)
        #expect(try verdict("script", pipeline("{\"script\":{\"source\":\"ctx.a.b.c=1\"}}")) == .pipelineFailure)
        #expect(
            try verdict("convert", pipeline("{\"convert\":{\"field\":\"record.message\",\"type\":\"integer\"}}"))
                == .pipelineFailure)
        #expect(try verdict("drops", pipeline("{\"drop\":{}}")) == nil)
        // Its shard can go nowhere, so nobody waits for it.
        let index = "\(prefix)-unassigned"
        let created = try ask(
            "PUT", [index],
            "{\"settings\":{\"index.routing.allocation.require._name\":\"nobody\",\"number_of_replicas\":0}}",
            query: [("wait_for_active_shards", "0")])
        #expect(created.status == 200)
        #expect(try send(document, id: "1", to: index)?.verdict == .retry)
    }

    @Test func `a request that is wrong as a whole says so in every shape`() throws {
        var (status, answer) = try perform(
            bulk.plain(lines: Array("{\"create\":{\"_index\":\"x\",\"_id\":\"1\"}}\n{}".utf8)))
        #expect(RequestVerdict(status: status) == .badRequest)
        #expect(answer.requestError?.type == "illegal_argument_exception" && answer.items == 0)
        (status, answer) = try perform(bulk.plain(lines: []))
        #expect(RequestVerdict(status: status) == .badRequest && answer.requestError?.type == "parse_exception")
        var request = bulk.plain(lines: Array("{\"create\":{\"_index\":\"x\",\"_id\":\"1\"}}\n{}\n".utf8))
        request.headers = [HTTPHeader("Content-Type", "text/plain")]
        (status, answer) = try perform(request)
        #expect(status == 406 && RequestVerdict(status: status) == .badRequest)
        #expect(answer.requestError?.reason == "Content-Type header [text/plain] is not supported")
    }

    @Test func `bad gzip is closed without an answer`() throws {
        var request = bulk.gzip(
            try BulkRequestTests.pieces(["{\"create\":{\"_index\":\"\(prefix)-bad\",\"_id\":\"1\"}}\n{}\n"]))
        var body = try #require(request.body)
        body[body.count - 8] ^= 1
        request.body = body
        let failure = #expect(throws: HTTPError.self) { try client.perform(request) }
        #expect(failure.map { RequestVerdict($0) } == .closedWithoutAnswer)
    }
}
