import HTTPTransport
import TelemetryModel
import Testing

@testable import TelemetrySinks

@Suite struct IndexSetupTests {
    private static func flow(_ mode: IndexSetupMode, pattern: String = "lambda-%Y.%m.%d") throws -> IndexSetupFlow {
        IndexSetupFlow(
            mode: mode, pattern: try #require(IndexPattern(pattern)), index: "lambda-2026.07.29",
            endpoint: try Endpoint(parsing: "http://search:9200"), authentication: .none)
    }

    private static func answer(_ status: Int, _ body: String = "") -> Result<HTTPResponse, HTTPError> {
        .success(HTTPResponse(status: status, body: Array(body.utf8)))
    }

    /// Feeds the answers in turn; returns the lines of the requests made and the outcome.
    private static func run(
        _ mode: IndexSetupMode, _ answers: [Result<HTTPResponse, HTTPError>]
    ) throws -> (requests: [String], outcome: IndexSetupOutcome?) {
        var flow = try flow(mode)
        var requests: [String] = []
        for answer in answers {
            guard let request = flow.request else { break }
            requests.append("\(request.method) \(request.url.dropFirst("http://search:9200".count))")
            flow.received(answer)
        }
        return (requests, flow.outcome)
    }

    private static let list =
        "GET /_index_template?filter_path=index_templates.name%2Cindex_templates.index_template.index_patterns"
    private static let put = "PUT /_index_template/permafrost-lambda-yyyy.mm.dd?create=true"

    private static func templates(_ name: String, _ pattern: String) -> String {
        "{\"index_templates\":[{\"name\":\"\(name)\",\"index_template\":{\"index_patterns\":[\"\(pattern)\"]}}]}"
    }

    private static func error(_ type: String, _ reason: String) -> String {
        "{\"error\":{\"root_cause\":[],\"type\":\"\(type)\",\"reason\":\"\(reason)\"},\"status\":400}"
    }

    @Test func `a template is put where none covers the name`() throws {
        for body in [
            "{}", Self.templates("all", "*"), Self.templates("x", "other-*"), "{\"index_templates\":[]}", "<html>",
        ] {
            let run = try Self.run(.template, [Self.answer(200, body), Self.answer(200, "{\"acknowledged\":true}")])
            #expect(run.requests == [Self.list, Self.put])
            #expect(run.outcome == .ready)
        }
    }

    @Test func `a template of the user's or an earlier one of ours is left as it is`() throws {
        for body in [
            Self.templates("mine", "lambda-*"), Self.templates("mine", "lambda-2026*"),
            Self.templates("permafrost-lambda-yyyy.mm.dd", "edited-*"),
        ] {
            let run = try Self.run(.template, [Self.answer(200, body)])
            #expect(run.requests == [Self.list])
            #expect(run.outcome == .ready)
        }
    }

    @Test(
        arguments: [
            (400, error("illegal_argument_exception", "index template [permafrost-x] already exists"), .ready),
            (
                400,
                error(
                    "illegal_argument_exception",
                    "index template [permafrost-x] has index patterns [l-*] matching patterns from existing templates [permafrost-l] with patterns"
                ), .ready
            ),
            (
                400,
                error(
                    "illegal_argument_exception",
                    "index template [permafrost-x] has index patterns [l-*] matching patterns from existing templates [t1] with patterns"
                ), .refused(.otherTemplate)
            ),
            (400, error("parse_exception", "unknown key"), .refused(.invalid)), (400, "", .refused(.invalid)),
            (404, "", .refused(.invalid)), (401, "Unauthorized", .retry), (403, "", .refused(.forbidden)),
            (429, "", .retry), (503, "", .retry),
        ] as [(Int, String, IndexSetupOutcome)])
    func `a template that is not taken has one outcome`(status: Int, body: String, outcome: IndexSetupOutcome) throws {
        let run = try Self.run(.template, [Self.answer(404), Self.answer(status, body)])
        #expect(run.requests == [Self.list, Self.put])
        #expect(run.outcome == outcome)
    }

    @Test func `an index is looked for, then made`() throws {
        var run = try Self.run(.index, [Self.answer(200)])
        #expect(run.requests == ["HEAD /lambda-2026.07.29"] && run.outcome == .ready)
        run = try Self.run(.index, [Self.answer(404), Self.answer(200, "{}")])
        #expect(run.requests == ["HEAD /lambda-2026.07.29", "PUT /lambda-2026.07.29"] && run.outcome == .ready)
        run = try Self.run(
            .index, [Self.answer(404), Self.answer(400, Self.error("resource_already_exists_exception", "x"))])
        #expect(run.outcome == .ready)
        run = try Self.run(
            .index,
            [
                Self.answer(404),
                Self.answer(
                    400,
                    Self.error(
                        "illegal_argument_exception",
                        "cannot create index with name [x], because it matches with template [u1] that creates data streams only"
                    )),
            ])
        #expect(run.outcome == .refused(.otherTemplate))
    }

    @Test func `without set-up nothing is asked`() throws {
        let flow = try Self.flow(.none)
        #expect(flow.request == nil && flow.outcome == .ready)
    }

    @Test func `a broken connection is asked again, a list too long to read is passed over`() throws {
        #expect(try Self.run(.template, [.failure(.connect)]).outcome == .retry)
        let run = try Self.run(.template, [.failure(.responseTooLarge), Self.answer(200)])
        #expect(run.requests == [Self.list, Self.put] && run.outcome == .ready)
    }

    @Test func `the template is this text`() throws {
        let pattern = try #require(IndexPattern("lambda-%Y.%m.%d"))
        #expect(
            String(decoding: IndexSetup.templateBody(for: pattern), as: UTF8.self) == """
                {"index_patterns":["lambda-*.*.*"],"priority":150,"template":{\
                "settings":{"index":{"mapping":{"ignore_malformed":true}}},\
                "mappings":{"properties":{"@timestamp":{"type":"date"},"time":{"type":"date"},\
                "type":{"type":"keyword","ignore_above":8191},\
                "record":{"type":"object","dynamic":true,"properties":{"message":{"type":"text"}}},\
                "record_text":{"type":"text"},\
                "faas":{"properties":{"name":{"type":"keyword","ignore_above":8191},\
                "version":{"type":"keyword","ignore_above":8191},"instance":{"type":"keyword","ignore_above":8191},\
                "invocation_id":{"type":"keyword","ignore_above":8191}}},\
                "cloud":{"properties":{"account":{"properties":{"id":{"type":"keyword","ignore_above":8191}}},\
                "region":{"type":"keyword","ignore_above":8191}}}}}},\
                "_meta":{"description":"Lambda telemetry, put by permafrost; never changed by it afterwards"}}
                """)
    }

    @Test(arguments: [
        ("a", "a", true), ("a", "b", false), ("abc", "a*", true), ("abc", "*c", true), ("abc", "a*c", true),
        ("ac", "a*c", true), ("a", "a*a", false), ("aXbYc", "a*b*c", true), ("aXbY", "a*b*c", false),
        ("abc", "**", true),
        ("", "*", true), ("abcabc", "*abc", true), ("ab", "ab*", true), ("xab", "ab*", false),
    ])
    func `an index pattern matches as the server matches it`(name: String, pattern: String, matches: Bool) {
        #expect(IndexTemplateList.matches(name, pattern: pattern) == matches)
    }
}
