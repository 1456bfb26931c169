import Foundation
import HTTPTransport
import Synchronization

/// A PushGateway stand-in on loopback, as strict as 1.5.1 (compared with the real one by a test), whose faults can be
/// planned (``faults``).
package final class FakePushGateway: Sendable {
    private let groups: Mutex<GroupStore>
    private let server: FaultyServer
    private let credentials: (user: String, password: String)?

    package var faults: FaultPlan { server.faults }
    package var url: String { server.url }
    package var port: UInt16 { server.port }
    package var requests: [RequestRecord] { server.requests }
    package var requestCount: Int { server.requestCount }

    package init(
        address: String = "127.0.0.1", port: UInt16 = 0, checksConsistency: Bool = true,
        credentials: (user: String, password: String)? = nil
    ) throws {
        var store = GroupStore()
        store.checksConsistency = checksConsistency
        groups = Mutex(store)
        self.credentials = credentials
        let owner = Owner()
        server = try FaultyServer(
            name: "fake-pushgateway", address: address, port: port,
            isDefaultTarget: { $0.path.hasPrefix("/metrics/") },
            serve: { request, _ in ServiceOutcome(owner.gateway?.serve(request)) })
        owner.set(self)
    }

    /// Lets the server's closure reach the owner without keeping it alive.
    private final class Owner: Sendable {
        private struct Reference {
            weak var value: FakePushGateway?
        }

        private let reference = Mutex(Reference())

        var gateway: FakePushGateway? { reference.withLock { $0.value } }
        func set(_ owner: FakePushGateway) { reference.withLock { $0.value = owner } }
    }

    package func stopListening() { server.stopListening() }
    package func startListening() throws { try server.startListening() }
    package func stop() { server.stopListening() }

    private func serve(_ request: ServiceRequest) -> ServiceAnswer {
        if let credentials {
            let expected = "Basic " + Base64.encode(Array("\(credentials.user):\(credentials.password)".utf8))
            guard request.authorization == expected else { return ServiceAnswer(401, text: "Unauthorized\n") }
        }
        switch (request.method, request.path) {
        case ("GET", "/metrics"):
            return ServiceAnswer(
                200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: Array(scrape.utf8))
        case ("GET", "/api/v1/metrics"): return ServiceAnswer(200, json: interface)
        case ("GET", "/-/healthy"), ("GET", "/-/ready"): return ServiceAnswer(200, text: "OK")
        default: return pushPath(request)
        }
    }

    private func pushPath(_ request: ServiceRequest) -> ServiceAnswer {
        // The real one's router cleans paths by redirecting.
        if request.path.contains("//") { return ServiceAnswer(301) }
        if request.path == "/metrics/job/" {
            return request.method == "GET" ? ServiceAnswer(404, text: "404 page not found\n") : ServiceAnswer(307)
        }
        let labels: [String: String]
        switch GroupingKey.read(request.path) {
        case .notFound: return ServiceAnswer(404, text: "404 page not found\n")
        case .improper(let why):
            return ["PUT", "POST", "DELETE"].contains(request.method)
                ? ServiceAnswer(400, text: why + "\n") : wrongMethod
        case .labels(let found): labels = found
        }
        switch request.method {
        case "PUT", "POST": return push(request, labels)
        case "DELETE":
            groups.withLock { _ = $0.delete(labels) }
            return ServiceAnswer(202)
        default: return wrongMethod
        }
    }

    private var wrongMethod: ServiceAnswer {
        ServiceAnswer(
            405, contentType: "text/plain; charset=utf-8", headers: ["Allow": "DELETE, OPTIONS, POST, PUT"],
            body: Array("Method Not Allowed\n".utf8))
    }

    private func push(_ request: ServiceRequest, _ labels: [String: String]) -> ServiceAnswer {
        // 1.5.1 compares the coding as it stands: anything but `gzip` is parsed as it came.
        var request = request
        if request.contentEncoding == "gzip" {
            switch RequestBody.decode(request, limit: 256 << 20) {
            case .body(let bytes): request.body = bytes
            case .tooLarge, .broken: return ServiceAnswer(400, text: "gzip: invalid header\n")
            }
        }
        let families: [String: MetricFamily]
        do {
            families = try ExpositionParser.parse(request.body)
        } catch {
            return ServiceAnswer(400, text: error.description + "\n")
        }
        let now = Date().timeIntervalSince1970
        let problem = groups.withLock { store in
            store.push(families, labels: labels, replacesAll: request.method == "PUT", now: now)
        }
        if let problem { return ServiceAnswer(400, text: problem + "\n") }
        return ServiceAnswer(groups.withLock { $0.checksConsistency } ? 200 : 202)
    }

    // MARK: Looking inside

    /// What Prometheus would scrape, without the gateway's metrics of itself.
    package var scrape: String { groups.withLock { ExpositionText.write($0.scraped) } }

    /// Families as scraped, by name.
    package var families: [String: MetricFamily] {
        let scraped = groups.withLock { $0.scraped }
        return Dictionary(scraped.map { ($0.name, $0) }) { $1 }
    }

    /// Labels of every group.
    package var groupLabels: [[String: String]] {
        groups.withLock { store in store.groups.sorted { $0.key < $1.key }.map(\.value.labels) }
    }

    package func removeAll() {
        groups.withLock { store in
            for group in store.groups.values { store.delete(group.labels) }
        }
    }

    /// Pushes as a client would, for tests: nil when taken.
    package func push(_ text: String, labels: [String: String], pushedAt: Double? = nil) -> String? {
        guard let families = try? ExpositionParser.parse(Array(text.utf8)) else { return "not parseable" }
        return groups.withLock { store in
            store.push(
                families, labels: labels, replacesAll: true, now: pushedAt ?? Date().timeIntervalSince1970)
        }
    }

    /// `GET /api/v1/metrics`.
    private var interface: JSONValue {
        let all = groups.withLock { store in store.groups.sorted { $0.key < $1.key }.map(\.value) }
        return ["status": "success", "data": .array(all.map { GroupJSON.make($0) })]
    }
}
