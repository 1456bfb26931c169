import Foundation
import LambdaSimulator

/// A document found in a back end.
struct FoundDocument {
    var index: String
    var id: String
    var source: [UInt8]
}

/// The two back ends of the story: stand-ins in this process, or real servers.
struct BackEnds {
    let search: FakeOpenSearch?
    let gateway: FakePushGateway?
    let searchURL: String
    let gatewayURL: String
    /// Begins every index name, so that a real server's other documents are never looked at.
    let indexPrefix: String

    init(_ options: DemoOptions, run: String) throws {
        search = options.searchURL == nil ? try FakeOpenSearch() : nil
        gateway = options.gatewayURL == nil ? try FakePushGateway() : nil
        searchURL = options.searchURL ?? search?.url ?? ""
        gatewayURL = options.gatewayURL ?? gateway?.url ?? ""
        indexPrefix = "permafrost-demo-\(run)"
    }

    var areStandIns: Bool { search != nil && gateway != nil }

    var variables: [String: String] {
        [
            "PERMAFROST_OPENSEARCH_URL": searchURL, "PERMAFROST_PUSHGATEWAY_URL": gatewayURL,
            "PERMAFROST_INDEX_PLATFORM": indexPrefix + "-platform",
            "PERMAFROST_INDEX_FUNCTION": indexPrefix + "-function",
            "PERMAFROST_METRIC_PUSH_MS": "1000",
        ]
    }

    func fail() {
        search?.stopListening()
        gateway?.stopListening()
    }

    func recover() throws {
        try search?.startListening()
        try gateway?.startListening()
    }

    /// Every document of this run.
    func documents() throws -> [FoundDocument] {
        if let search {
            return search.documents().map { FoundDocument(index: $0.index, id: $0.id, source: $0.source) }
        }
        return try RemoteSearch(url: searchURL).hits(indices: indexPrefix + "-*").map {
            FoundDocument(index: $0.index, id: $0.id, source: $0.source)
        }
    }

    /// What Prometheus would scrape.
    func scrape() throws -> String {
        if let gateway { return gateway.scrape }
        return String(decoding: try PlainHTTP.get(gatewayURL + "/metrics"), as: UTF8.self)
    }
}
