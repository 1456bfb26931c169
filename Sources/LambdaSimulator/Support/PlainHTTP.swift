package import HTTPTransport

/// Small requests to real back ends: the demo and the comparisons with them.
package enum PlainHTTP {
    package struct Answer: Sendable {
        package var status: Int
        package var contentType: String?
        package var body: [UInt8]
    }

    package static func send(
        _ method: String, _ url: String, headers: [String: String] = [:], body: [UInt8]? = nil,
        timeout: Duration = .seconds(30)
    ) throws(HTTPError) -> Answer {
        let client = try HTTPClient()
        let response = try client.perform(
            HTTPRequest(
                method: method, url: url, headers: headers.map { HTTPHeader(name: $0.key, value: $0.value) },
                body: body,
                totalTimeout: timeout, responseLimit: 256 << 20))
        return Answer(status: response.status, contentType: response.header("Content-Type"), body: response.body)
    }

    package static func get(_ url: String) throws -> [UInt8] {
        let answer = try send("GET", url)
        guard answer.status == 200 else { throw SimulatorError.http("GET answered \(answer.status)") }
        return answer.body
    }
}

/// Reads all documents of a real OpenSearch's indices.
package struct RemoteSearch: Sendable {
    private let url: String

    package init(url: String) {
        self.url = url.hasSuffix("/") ? String(url.dropLast()) : url
    }

    private func post(_ path: String, _ body: JSONValue?) throws -> JSONValue {
        let answer = try PlainHTTP.send(
            "POST", url + path, headers: body == nil ? [:] : ["Content-Type": "application/json"],
            body: body?.encoded ?? [])
        guard answer.status == 200 else {
            throw SimulatorError.http(
                "POST \(path) answered \(answer.status): \(String(decoding: answer.body.prefix(300), as: UTF8.self))")
        }
        return try StrictJSON.parse(answer.body)
    }
}

extension RemoteSearch {
    package struct Hit: Sendable {
        package var index: String
        package var id: String
        package var source: [UInt8]
    }

    /// Refreshes, then counts: for polling.
    package func count(indices: String) throws -> Int {
        _ = try post("/\(indices)/_refresh", nil)
        return try post("/\(indices)/_count", nil)["count"]?.int ?? 0
    }

    /// Refreshes, then scrolls through everything. Sources come back re-encoded, members in their order.
    package func hits(indices: String) throws -> [Hit] {
        _ = try post("/\(indices)/_refresh", nil)
        var page = try post("/\(indices)/_search?scroll=1m", ["size": 1000, "sort": ["_doc"]])
        var hits: [Hit] = []
        while let found = page["hits", "hits"]?.elements, !found.isEmpty {
            hits += found.map { hit in
                Hit(
                    index: hit["_index"]?.text ?? "", id: hit["_id"]?.text ?? "",
                    source: hit["_source"]?.encoded ?? [])
            }
            guard let scroll = page["_scroll_id"]?.text else { break }
            page = try post("/_search/scroll", ["scroll": "1m", "scroll_id": .string(scroll)])
        }
        // A server keeps at most 500 of them open.
        if let scroll = page["_scroll_id"]?.text {
            _ = try PlainHTTP.send(
                "DELETE", url + "/_search/scroll", headers: ["Content-Type": "application/json"],
                body: (["scroll_id": .string(scroll)] as JSONValue).encoded)
        }
        return hits
    }
}
