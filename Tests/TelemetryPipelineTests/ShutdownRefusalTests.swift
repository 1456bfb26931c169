import HTTPTransport
import LambdaSimulator
import TelemetryIntake
import TelemetryModel
import TelemetrySinks
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

/// What SHUTDOWN does when a back end asks for more time than there is.
@Suite struct ShutdownRefusalTests {
    private let time = FlushTime(moment: moment(0), thawed: .zero)

    private func configuration(_ endpoint: Endpoint) -> FlushConfiguration {
        FlushConfiguration(
            openSearch: endpoint, pushGateway: endpoint, indices: SpoolFixture.intake().indices, types: [.function],
            indexSetup: .none, requestBytes: 1 << 20, compressionLevel: 1, metricPushInterval: .zero,
            metricGroupTTL: .zero)
    }

    private func credentials(_ loop: TransferLoop) -> CredentialStore {
        CredentialStore(
            plan: CredentialStore.Plan(secretARN: nil, source: .none, region: nil, secretsManagerURL: nil), loop: loop,
            seed: 1, notice: { _ in })
    }

    /// The one answer that is on its way.
    private func answer(_ loop: TransferLoop) throws -> TransferCompletion {
        for _ in 0..<100 {
            if let completion = loop.poll(timeout: .milliseconds(100)).first { return completion }
        }
        throw SpoolFixture.FixtureError.spool
    }

    @Test(arguments: [
        FaultKind.status(401), .status(404), .status(503, headers: ["Retry-After": "30"]),
    ])
    func `one answer that puts the next try off beyond the budget ends the drain`(fault: FaultKind) throws {
        HTTPTransport.initializeProcess()
        let server = try FakeOpenSearch()
        defer { server.stop() }
        server.faults.set([Fault(fault)])
        let fixture = try SpoolFixture()
        try fixture.append(lines(3))
        let endpoint = try Endpoint(parsing: server.url)
        let loop = try TransferLoop()
        let logs = OpenSearchDelivery(
            endpoint: endpoint, configuration: configuration(endpoint), spool: fixture.spool,
            policy: FlushPolicy(events: 1, bytes: 1, age: .zero), loop: loop, credentials: credentials(loop), seed: 1,
            notice: { _ in })
        logs.beginShutdown(time, until: moment(1850))
        _ = logs.step(time, shuttingDown: true)
        #expect(!logs.isDrained)
        #expect(logs.handle(try answer(loop), time))
        _ = logs.step(time, shuttingDown: true)
        #expect(logs.isDrained)
        #expect(server.requestCount == 1)
        #expect(fixture.spool.books.ledger.total(.spooled) == 3)
    }

    @Test func `the same holds for the push`() throws {
        HTTPTransport.initializeProcess()
        let server = try FakePushGateway()
        defer { server.stop() }
        server.faults.set([Fault(.status(503, headers: ["Retry-After": "30"]))])
        let fixture = try SpoolFixture()
        try fixture.append(lines(3))
        let endpoint = try Endpoint(parsing: server.url)
        let loop = try TransferLoop()
        let metrics = MetricPush(
            endpoint: endpoint, configuration: configuration(endpoint), spool: fixture.spool,
            function: FunctionIdentityBox(FunctionIdentity(name: "f", version: "1")), loop: loop,
            credentials: credentials(loop), seed: 1, notice: { _ in })
        metrics.beginShutdown(time, until: moment(1850))
        _ = metrics.step(time)
        #expect(!metrics.isDrained)
        #expect(metrics.handle(try answer(loop), time))
        _ = metrics.step(time)
        #expect(metrics.isDrained)
    }
}
