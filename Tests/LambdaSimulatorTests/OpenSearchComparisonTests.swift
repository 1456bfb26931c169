import Foundation
import HTTPTransport
import Testing

@testable import LambdaSimulator

/// The stand-in answers as the real node does.
///
/// Compared: the status; of a bulk answer each item's operation, `_id` (unless the node made it), status, result, error
/// type and cause; of any other error its type. Left out: `took`, versions and sequence numbers, shards, reasons (they
/// quote documents and parser positions), and the answer to `GET /`.
@Suite struct OpenSearchComparisonTests {
    @Test(
        .enabled(if: RealServers.hasOpenSearch, "no OPENSEARCH_URL, no shared/opensearch beside the repository"),
        .timeLimit(.minutes(5)))
    func `the stand-in answers the corpus as a real OpenSearch does`() throws {
        let standIn = try FakeOpenSearch()
        try RealServers.withOpenSearch { real in
            Self.clean(real)
            defer { Self.clean(real) }
            let corpus =
                OpenSearchCorpus.framing + OpenSearchCorpus.sources + OpenSearchCorpus.mapping
                + OpenSearchCorpus.compression + OpenSearchCorpus.administration
            for request in corpus {
                let expected = Self.answer(request, at: real)
                let actual = Self.answer(request, at: standIn.url)
                #expect(actual == expected, "\(request.name)")
            }
        }
    }

    private static func clean(_ url: String) {
        for path in ["/_data_stream/corpus-*", "/corpus-*", "/_index_template/corpus-*"] {
            _ = try? PlainHTTP.send("DELETE", url + path)
        }
    }

    static func answer(_ request: CorpusRequest, at url: String) -> String {
        do throws(HTTPError) {
            let answer = try PlainHTTP.send(
                request.method, url + request.path, headers: request.headers, body: request.body)
            return "\(answer.status) " + digest(answer, request)
        } catch {
            // The node closes the connection on bad gzip; how the end of it looks to a client is the kernel's affair.
            return "no answer"
        }
    }

    private static func digest(_ answer: PlainHTTP.Answer, _ request: CorpusRequest) -> String {
        guard request.method != "HEAD", request.path != "/" else { return "" }
        guard let json = try? StrictJSON.parse(answer.body) else { return "body of no JSON" }
        if request.path.contains("filter_path") { return withoutNumbers(json).description }
        if let items = json["items"]?.elements {
            let errors = json["errors"]?.description ?? "-"
            return "errors=\(errors) " + items.map { item($0) }.joined(separator: " | ")
        }
        if let error = json["error"] { return error["type"]?.text ?? (error.text == nil ? "error" : "error as text") }
        return ["found", "count", "acknowledged"].compactMap { name in
            json[name].map { "\(name)=\($0.description)" }
        }.joined(separator: " ")
    }

    private static func item(_ item: JSONValue) -> String {
        guard let member = item.members?.first else { return "empty item" }
        let id = member.value["_id"]?.text ?? "null"
        // A generated id, or the null of an item that failed before it got one.
        let isOurs = id.count <= 4
        var text = "\(member.name) \(isOurs ? id : "…") \(member.value["status"]?.description ?? "-")"
        if let result = member.value["result"]?.text { text += " " + result }
        if let error = member.value["error"] {
            text += " " + (error["type"]?.text ?? "-")
            if let cause = error["caused_by", "type"]?.text { text += " < " + cause }
        }
        return text
    }

    /// For filtered answers the whole shape counts, without the numbers and reasons that differ.
    private static func withoutNumbers(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            let varying: Set<String> = ["took", "_version", "_seq_no", "_primary_term", "index_uuid", "shard", "index"]
            return .object(
                members.filter { !varying.contains($0.name) }.map { .init($0.name, withoutNumbers($0.value)) })
        case .array(let values): return .array(values.map { withoutNumbers($0) })
        default: return value
        }
    }
}
