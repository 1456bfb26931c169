import HTTPTransport
import LambdaSimulator
import TelemetryIntake
import TelemetryModel
import TelemetrySinks
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

/// One secret for two sinks: what one of them refuses is not taken from the other.
@Suite struct RefusedLoginTests {
    private let secrets: FakeSecretsManager
    private let search: FakeOpenSearch
    private let delivery: DeliveryFixture

    init() throws {
        secrets = try FakeSecretsManager(user: "user", password: "password")
        var options = FakeOpenSearch.Options()
        options.credentials = ("user", "password")
        search = try FakeOpenSearch(options: options)
        delivery = try DeliveryFixture(
            to: search.url,
            plan: CredentialStore.Plan(
                secretARN: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:login",
                source: .environment(AWSCredentials(accessKey: "key", secretKey: "secret", sessionToken: nil)),
                region: "eu-west-1", secretsManagerURL: secrets.url))
        try delivery.fixture.append(lines(3, "before"))
        delivery.turn()
        try #require(search.documentCount == 3)
        secrets.faults.set([Fault(.status(500))])
    }

    private func push(to gateway: FakePushGateway) throws {
        let endpoint = try Endpoint(parsing: gateway.url)
        let metrics = MetricPush(
            endpoint: endpoint,
            configuration: .pushing(to: endpoint),
            spool: delivery.spool, function: FunctionIdentityBox(FunctionIdentity(name: "f", version: "1")),
            loop: delivery.loop, credentials: delivery.credentials, seed: 1, notice: { _ in })
        let requests = gateway.requestCount
        _ = metrics.step(delivery.time)
        while delivery.loop.active > 0 {
            for completion in delivery.loop.poll(timeout: .milliseconds(100)) {
                if !delivery.credentials.handle(completion, at: delivery.time.moment) {
                    _ = metrics.handle(completion, delivery.time)
                }
            }
        }
        try #require(gateway.requestCount > requests)
    }

    @Test(arguments: [401, 403, 404])
    func `a gateway that was sent no password takes none away`(status: Int) throws {
        let gateway = try FakePushGateway()
        defer { gateway.stop() }
        gateway.faults.set([Fault(.status(status))])
        delivery.turn(forward: 61_000)
        try push(to: gateway)
        try delivery.fixture.append(lines(3, "after"))
        delivery.turn()
        #expect(search.documentCount == 6)
        #expect(secrets.requests.count == 1)
    }

    @Test func `a login that was refused once is used until another has come`() throws {
        delivery.turn(forward: 61_000)
        search.faults.set([Fault(.status(401), count: 1)])
        try delivery.fixture.append(lines(3, "after"))
        delivery.turn()
        #expect(search.documentCount == 3)
        #expect(secrets.requests.count == 2, "it is asked for at once")
        delivery.turn()
        #expect(search.documentCount == 6)
        #expect(!delivery.credentials.isFailing)
        // And asked for until it has come.
        delivery.turn()
        secrets.faults.clear()
        try delivery.fixture.append(lines(3, "later"))
        delivery.turn()
        let asked = secrets.requests.count
        #expect(secrets.requests.last?.status == 200)
        try delivery.fixture.append(lines(3, "last"))
        delivery.turn()
        #expect(secrets.requests.count == asked)
    }
}
