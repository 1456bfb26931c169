import Deflate
import HTTPTransport
import LambdaSimulator
import Synchronization
import TelemetryIntake
import TelemetryModel
import TelemetrySinks
import TelemetrySpool

@testable import TelemetryPipeline

/// Delivery of a real spool over loopback, at the moments that a test chooses.
final class DeliveryFixture {
    let fixture: SpoolFixture
    let loop: TransferLoop
    let credentials: CredentialStore
    let logs: OpenSearchDelivery
    let notices = Notices()
    /// What ``turn(forward:)`` moves, in milliseconds.
    private(set) var now: Int64 = 0

    final class Notices: Sendable {
        private let all = Mutex<[Notice]>([])
        func add(_ notice: Notice) { all.withLock { $0.append(notice) } }
        func count(_ event: String) -> Int { all.withLock { $0.count { $0.event == event } } }
    }

    var spool: Spool { fixture.spool }
    var ledger: Ledger { spool.books.ledger }
    var time: FlushTime { FlushTime(moment: moment(now), thawed: .milliseconds(now)) }

    init(
        to url: String, indexSetup: IndexSetupMode = .none, requestBytes: Int = 1 << 20,
        plan: CredentialStore.Plan = .init(secretARN: nil, source: .none, region: nil, secretsManagerURL: nil)
    ) throws {
        HTTPTransport.initializeProcess()
        fixture = try SpoolFixture()
        loop = try TransferLoop()
        let notices = notices
        credentials = CredentialStore(plan: plan, loop: loop, seed: 1, notice: { notices.add($0) })
        let endpoint = try Endpoint(parsing: url)
        let configuration = FlushConfiguration(
            openSearch: endpoint, pushGateway: nil, indices: SpoolFixture.intake().indices,
            types: [.platform, .function], indexSetup: indexSetup, requestBytes: requestBytes, compressionLevel: 1,
            metricPushInterval: .zero, metricGroupTTL: .zero)
        logs = OpenSearchDelivery(
            endpoint: endpoint, configuration: configuration, spool: fixture.spool,
            policy: FlushPolicy(events: 1, bytes: 1, age: .zero), loop: loop, credentials: credentials, seed: 1,
            notice: { notices.add($0) })
    }

    /// Lets time pass, and takes one step, without waiting for an answer.
    func step(forward milliseconds: Int64) {
        now += milliseconds
        credentials.checkStall(time)
        _ = logs.step(time, shuttingDown: logs.shutdown != nil)
        for completion in loop.poll(timeout: .milliseconds(5)) where !credentials.handle(completion, at: time.moment) {
            _ = logs.handle(completion, time)
        }
    }

    /// Lets time pass, and then turns until one request has been answered: a function that thaws for no longer.
    func request(forward milliseconds: Int64 = 31_000) {
        now += milliseconds
        _ = logs.step(time, shuttingDown: logs.shutdown != nil)
        while loop.active > 0 {
            for completion in loop.poll(timeout: .milliseconds(100)) { _ = logs.handle(completion, time) }
        }
    }

    /// Lets time pass, which every back-off outlasts by default, and then turns until nothing is on its way.
    func turn(forward milliseconds: Int64 = 31_000) {
        now += milliseconds
        for _ in 0..<10_000 {
            credentials.checkStall(time)
            _ = logs.step(time, shuttingDown: logs.shutdown != nil)
            guard loop.active > 0 else { return }
            for completion in loop.poll(timeout: .milliseconds(100)) {
                if !credentials.handle(completion, at: time.moment) { _ = logs.handle(completion, time) }
            }
        }
    }
}

/// A back end that takes every document, or refuses a request as a whole by what is in it.
final class ChoosyServer: Sendable {
    /// The status that a request with these lines is refused with, nil: its documents are stored.
    typealias Judge = @Sendable (_ lines: String) -> Int?

    private struct State: Sendable {
        var stored: Set<String> = []
        var judge: Judge
    }

    private final class Store: Sendable {
        let state: Mutex<State>

        init(_ judge: @escaping Judge) {
            state = Mutex(State(judge: judge))
        }

        func serve(_ request: ServiceRequest) -> ServiceOutcome {
            guard
                let body = request.contentEncoding == "gzip"
                    ? try? Inflater.gunzip(request.body, limit: 64 << 20) : request.body
            else { return ServiceOutcome(nil) }
            let text = String(decoding: body, as: UTF8.self)
            return state.withLock { state in
                if let status = state.judge(text) { return ServiceOutcome(ServiceAnswer(status)) }
                var items: [String] = []
                for document in BulkLines(body) {
                    let id = String(decoding: body[document.id], as: UTF8.self)
                    let isNew = state.stored.insert(id).inserted
                    items.append(#"{"create":{"_id":"\#(id)","status":\#(isNew ? 201 : 409)}}"#)
                }
                let answer = #"{"errors":false,"items":[\#(items.joined(separator: ","))]}"#
                return ServiceOutcome(
                    ServiceAnswer(200, contentType: "application/json", body: Array(answer.utf8)), stored: items.count)
            }
        }
    }

    private let store: Store
    private let server: FaultyServer

    var url: String { server.url }
    var requests: [RequestRecord] { server.requests }
    var stored: Set<String> { store.state.withLock(\.stored) }

    init(_ judge: @escaping Judge = { _ in nil }) throws {
        let store = Store(judge)
        self.store = store
        server = try FaultyServer(
            name: "choosy", isDefaultTarget: { _ in true }, serve: { request, _ in store.serve(request) })
    }

    deinit {
        server.stopListening()
    }

    func set(_ judge: @escaping Judge) { store.state.withLock { $0.judge = judge } }
}

extension FlushConfiguration {
    /// A gateway alone, pushed to without a pause and never cleaned.
    static func pushing(to gateway: Endpoint) -> FlushConfiguration {
        FlushConfiguration(
            openSearch: nil, pushGateway: gateway, indices: SpoolFixture.intake().indices, types: [.function],
            indexSetup: .none, requestBytes: 1 << 20, compressionLevel: 1, metricPushInterval: .zero,
            metricGroupTTL: .zero)
    }
}
