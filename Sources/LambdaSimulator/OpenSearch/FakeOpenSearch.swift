import HTTPTransport
import Synchronization

/// An OpenSearch stand-in on loopback: reads `_bulk` as strictly as OpenSearch 2.19 (compared with the real node by a
/// test), keeps documents by index and `_id`, and can be made to fail in every way a back end fails (``faults``).
///
/// What it does not have: search beyond listing, ingest pipelines, aliases, security but for basic authentication.
package final class FakeOpenSearch: Sendable {
    package struct Options: Sendable {
        /// Largest body, inflated or on the wire, in bytes: above it 413.
        package var maximumContentLength = 100 << 20
        /// Basic credentials that every request needs; nil: none.
        package var credentials: (user: String, password: String)?
        /// As a managed domain that ignores the query of a signed POST.
        package var ignoresFilterPath = false
        /// Refuses all gzip bodies by closing the connection, as an old proxy in front may.
        package var refusesGzip = false
        /// Off: a bulk into a missing index is a 404.
        package var createsIndices = true

        package init() {}
    }

    private struct State {
        var store = DocumentStore()
        var conflicts = 0
    }

    private let state: Mutex<State>
    private let serverBox: FaultyServer
    package let options: Options

    package var faults: FaultPlan { serverBox.faults }
    package var url: String { serverBox.url }
    package var port: UInt16 { serverBox.port }
    package var requests: [RequestRecord] { serverBox.requests }
    package var requestCount: Int { serverBox.requestCount }

    package init(address: String = "127.0.0.1", port: UInt16 = 0, options: Options = Options()) throws {
        var initial = State()
        initial.store.createsIndices = options.createsIndices
        self.state = Mutex(initial)
        self.options = options
        let handler = Handler()
        serverBox = try FaultyServer(
            name: "fake-opensearch", address: address, port: port,
            isDefaultTarget: { $0.path.hasSuffix("/_bulk") || $0.path.hasSuffix("/_bulk/") },
            serve: { request, ignored in handler.owner?.serve(request, ignoring: ignored) ?? ServiceOutcome(nil) })
        handler.set(self)
    }

    /// Lets the server's closure reach the owner without keeping it alive.
    private final class Handler: Sendable {
        private struct Reference {
            weak var value: FakeOpenSearch?
        }

        private let reference = Mutex(Reference())

        var owner: FakeOpenSearch? { reference.withLock { $0.value } }
        func set(_ owner: FakeOpenSearch) { reference.withLock { $0.value = owner } }
    }

    /// Refuses connections, and cuts those there are, until ``startListening()``; documents are kept.
    package func stopListening() { serverBox.stopListening() }
    package func startListening() throws { try serverBox.startListening() }
    package func stop() { serverBox.stopListening() }

    private func serve(_ request: ServiceRequest, ignoring ignored: Int) -> ServiceOutcome {
        if let credentials = options.credentials {
            let expected = "Basic " + Base64.encode(Array("\(credentials.user):\(credentials.password)".utf8))
            guard request.authorization == expected else {
                return ServiceOutcome(
                    ServiceAnswer(
                        401, contentType: "text/plain; charset=UTF-8",
                        headers: ["WWW-Authenticate": "Basic realm=\"OpenSearch Security\""],
                        body: Array("Unauthorized".utf8)))
            }
        }
        var request = request
        if options.refusesGzip, request.contentEncoding?.lowercased() == "gzip" { return ServiceOutcome(nil) }
        switch RequestBody.decode(request, limit: options.maximumContentLength) {
        case .body(let bytes): request.body = bytes
        case .tooLarge: return ServiceOutcome(ServiceAnswer(413))
        case .broken: return ServiceOutcome(nil)
        }
        return state.withLock { state in
            OpenSearchRoutes(request: request, options: options, faults: faults, ignored: ignored)
                .answer(&state.store)
        }
    }

    // MARK: Looking inside

    package var documentCount: Int {
        state.withLock { $0.store.indices.values.reduce(0) { $0 + $1.documents.count } }
    }

    /// Documents by index.
    package var counts: [String: Int] { state.withLock { $0.store.indices.mapValues(\.documents.count) } }

    package var templateNames: [String] { state.withLock { $0.store.templates.keys.sorted() } }

    /// In the order of their storing, per index.
    package func documents(index: String? = nil) -> [StoredDocument] {
        state.withLock { state in
            state.store.indices.sorted { $0.key < $1.key }.filter { index == nil || $0.key == index }.flatMap { entry in
                entry.value.order.compactMap { entry.value.documents[$0] }
            }
        }
    }

    package func document(index: String, id: String) -> StoredDocument? {
        state.withLock { $0.store.indices[index]?.documents[id] }
    }

    /// True when a document holds the text.
    package func contains(_ marker: String) -> Bool {
        let needle = Array(marker.utf8)
        return documents().contains { $0.source.firstRange(of: needle) != nil }
    }

    /// Markers that lie in more than one document, with how many hold them.
    package var doubledMarkers: [String: Int] {
        let markers = documents().compactMap { MarkerSource.find(in: $0.source) }
        return Dictionary(markers.map { ($0, 1) }, uniquingKeysWith: +).filter { $0.value > 1 }
    }

    /// Forgets documents, indices and templates.
    package func removeAll() {
        state.withLock { state in
            state.store = DocumentStore()
            state.store.createsIndices = options.createsIndices
        }
    }

    /// As `PUT /INDEX/_settings`, for blocks: `index.blocks.write`, `index.blocks.read_only_allow_delete`.
    package func updateSettings(index: String, _ settings: [String: String]) {
        state.withLock { $0.store.update(index, settings: settings) }
    }

    package func setClosed(index: String, _ isClosed: Bool) {
        state.withLock { $0.store.setClosed(index, isClosed) }
    }

    package func setCreatesIndices(_ value: Bool) { state.withLock { $0.store.createsIndices = value } }
}
