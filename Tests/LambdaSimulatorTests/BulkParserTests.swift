import Testing

@testable import LambdaSimulator

/// The literal refusals of the real node, also where no real node is at hand.
@Suite struct BulkParserTests {
    private func parse(_ text: String) throws(OpenSearchFailure) -> [BulkAction] {
        let result: Result<[BulkAction], OpenSearchFailure> = Array(text.utf8).withUnsafeBytes { body in
            do throws(OpenSearchFailure) {
                return .success(try BulkParser.parse(body, defaultIndex: nil))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    @Test(arguments: [
        ("", "parse_exception", "request body is required"),
        ("\n\n", "action_request_validation_exception", "Validation Failed: 1: no requests added;"),
        ("{\"create\":{}}\n{}\n", "action_request_validation_exception", "Validation Failed: 1: index is missing;"),
        (
            "{\"create\":{\"_index\":\"a\"}}\n{}", "illegal_argument_exception",
            "The bulk request must be terminated by a newline [\\n]"
        ),
        (
            "{\"create\":{\"_index\":\"a\"}}\n{}\n{\"x\":1}\n{}\n", "illegal_argument_exception",
            "Malformed action/metadata line [3], expected one of [create, delete, index, update] but found [x]"
        ),
        (
            "{\"create\":{\"_type\":\"t\"}}\n{}\n", "illegal_argument_exception",
            "Action/metadata line [1] contains an unknown parameter [_type]"
        ),
    ])
    func `a faulty body is refused as a whole`(body: String, type: String, reason: String) {
        do {
            _ = try parse(body)
            Issue.record("accepted: \(body)")
        } catch {
            #expect(error == OpenSearchFailure(400, type, reason))
        }
    }

    @Test func `a missing last source line makes its action vanish`() throws {
        let body = "{\"create\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{}\n{\"create\":{\"_index\":\"a\",\"_id\":\"2\"}}\n"
        #expect(try parse(body).map(\.id) == ["1"])
    }

    @Test func `an id of more than 512 bytes fails all`() {
        let id = String(repeating: "j", count: 513)
        #expect(throws: OpenSearchFailure.self) {
            try parse("{\"create\":{\"_index\":\"a\",\"_id\":\"\(id)\"}}\n{}\n")
        }
    }

    @Test(arguments: [
        ("2026-07-29T08:00:00.702Z", true), ("2026-07-29T08:00:00,5+0200", true), ("2026", true),
        ("1790000000000", true),
        ("2026-02-29", false), ("2028-02-29", true), ("2026-07-29 08:00", false), ("2026-07-29T24:00:00Z", false),
        ("", false),
    ])
    func `dates are taken as the node takes them`(text: String, isTaken: Bool) {
        #expect(DateText.isAccepted(text) == isTaken)
    }
}
