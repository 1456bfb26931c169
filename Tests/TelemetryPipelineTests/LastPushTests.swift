import HTTPTransport
import LambdaSimulator
import TelemetryIntake
import TelemetryModel
import TelemetrySinks
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

/// The push that follows the last log at SHUTDOWN, so that the gateway has the ledger's last state.
@Suite struct LastPushTests {
    @Test func `a step is due for it once, when something has changed and there is time`() throws {
        HTTPTransport.initializeProcess()
        let gateway = try FakePushGateway()
        defer { gateway.stop() }
        let fixture = try SpoolFixture()
        try fixture.append(lines(3))
        let loop = try TransferLoop()
        let endpoint = try Endpoint(parsing: gateway.url)
        let metrics = MetricPush(
            endpoint: endpoint,
            configuration: .pushing(to: endpoint),
            spool: fixture.spool, function: FunctionIdentityBox(FunctionIdentity(name: "f", version: "1")), loop: loop,
            credentials: CredentialStore(
                plan: CredentialStore.Plan(secretARN: nil, source: .none, region: nil, secretsManagerURL: nil),
                loop: loop, notice: { _ in }),
            notice: { _ in })
        let time = FlushTime(moment: moment(0), thawed: .zero)
        func push() {
            _ = metrics.step(time)
            while loop.active > 0 {
                for completion in loop.poll(timeout: .milliseconds(100)) { _ = metrics.handle(completion, time) }
            }
        }
        metrics.beginShutdown(time, until: moment(1850))
        push()
        try #require(metrics.isDrained)
        try fixture.append(lines(2, "b"))
        #expect(!metrics.allowLastPush(time, until: moment(300)))
        #expect(metrics.allowLastPush(time, until: moment(301)))
        #expect(!metrics.allowLastPush(time, until: moment(301)))
        push()
        #expect(metrics.isDrained)
        #expect(gateway.requestCount == 2)
    }
}
