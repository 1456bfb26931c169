import HTTPTransport
import LambdaSimulator
import TelemetryIntake
import TelemetryModel
import TelemetrySinks
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

/// Who gets the secret's user and password, and who waits for them.
@Suite struct GatewayLoginTests {
    private let secrets: FakeSecretsManager
    private let fixture: SpoolFixture
    private let loop: TransferLoop

    init() throws {
        HTTPTransport.initializeProcess()
        secrets = try FakeSecretsManager(user: "user", password: "password")
        fixture = try SpoolFixture()
        try fixture.append(lines(3))
        loop = try TransferLoop()
    }

    private func push(to url: String) throws -> (metrics: MetricPush, credentials: CredentialStore) {
        let endpoint = try Endpoint(parsing: url)
        let credentials = CredentialStore(
            plan: CredentialStore.Plan(
                secretARN: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:login",
                source: .environment(AWSCredentials(accessKey: "key", secretKey: "secret", sessionToken: nil)),
                region: "eu-west-1", secretsManagerURL: secrets.url),
            loop: loop, seed: 1, notice: { _ in })
        let configuration = FlushConfiguration(
            openSearch: nil, pushGateway: endpoint, indices: SpoolFixture.intake().indices, types: [.function],
            indexSetup: .none, requestBytes: 1 << 20, compressionLevel: 1, metricPushInterval: .seconds(60),
            metricGroupTTL: .zero)
        let metrics = MetricPush(
            endpoint: endpoint, configuration: configuration, spool: fixture.spool,
            function: FunctionIdentityBox(FunctionIdentity(name: "f", version: "1")), loop: loop,
            credentials: credentials, seed: 1, notice: { _ in })
        return (metrics, credentials)
    }

    /// Turns the loop until nothing is on its way any more.
    private func turn(_ push: (metrics: MetricPush, credentials: CredentialStore), at milliseconds: Int64 = 0) {
        let time = FlushTime(moment: moment(milliseconds), thawed: .milliseconds(milliseconds))
        for _ in 0..<1000 {
            _ = push.metrics.step(time)
            guard loop.active > 0 else { return }
            for completion in loop.poll(timeout: .milliseconds(100)) {
                if !push.credentials.handle(completion, at: time.moment) { _ = push.metrics.handle(completion, time) }
            }
        }
    }

    @Test func `a gateway that does not ask never sees the password, and no secret is fetched for it`() throws {
        let gateway = try FakePushGateway()
        defer { gateway.stop() }
        secrets.faults.set([Fault(.status(403), path: "/")])
        turn(try push(to: gateway.url))
        #expect(gateway.groupLabels.count == 1)
        #expect(gateway.requests.allSatisfy { !$0.isAuthorized })
        #expect(secrets.requests.isEmpty)
    }

    @Test func `a gateway that asks gets it at once, from then on with every push`() throws {
        let gateway = try FakePushGateway(credentials: (user: "user", password: "password"))
        defer { gateway.stop() }
        let push = try push(to: gateway.url)
        turn(push)
        #expect(gateway.requests.map(\.status) == [401, 200])
        #expect(gateway.requests.map(\.isAuthorized) == [false, true])
        try fixture.append(lines(2, "b"))
        turn(push, at: 61_000)
        #expect(gateway.requests.map(\.status) == [401, 200, 200])
        #expect(secrets.requests.count == 1)
    }

    @Test func `user-info in the gateway's own URL goes at once, the secret stays where it is`() throws {
        let gateway = try FakePushGateway(credentials: (user: "own", password: "word"))
        defer { gateway.stop() }
        turn(try push(to: "http://own:word@127.0.0.1:\(gateway.port)"))
        #expect(gateway.requests.map(\.status) == [200])
        #expect(secrets.requests.isEmpty)
    }

    @Test func `a 401 that passes does not leave the gateway waiting for a secret that cannot be had`() throws {
        let gateway = try FakePushGateway()
        defer { gateway.stop() }
        gateway.faults.set([Fault(.status(401), count: 1)])
        secrets.faults.set([Fault(.status(403), path: "/")])
        let push = try push(to: gateway.url)
        turn(push)
        #expect(gateway.requests.map(\.status) == [401])
        turn(push, at: 61_000)
        #expect(gateway.requests.map(\.status) == [401, 200])
        #expect(gateway.requests.allSatisfy { !$0.isAuthorized })
    }

    @Test func `at SHUTDOWN a gateway that asks gets it within the budget`() throws {
        let gateway = try FakePushGateway(credentials: (user: "user", password: "password"))
        defer { gateway.stop() }
        let push = try push(to: gateway.url)
        push.metrics.beginShutdown(FlushTime(moment: moment(0), thawed: .zero), until: moment(1850))
        turn(push)
        #expect(push.metrics.isDrained)
        #expect(gateway.groupLabels.count == 1)
    }
}
