import HTTPTransport
import LambdaSimulator
import TelemetryModel
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

/// What takes requests and never answers, before functions that freeze during each of them: SHUTDOWN gives it one probe.
@Suite struct BlackHoleTests {
    /// Short invocations with freezes in between, until requests have been given up.
    private func invoke(_ delivery: DeliveryFixture, until isSeen: () -> Bool) {
        for _ in 0..<100 where !isSeen() {
            delivery.step(forward: 500)
            delivery.logs.froze(delivery.time)
            delivery.credentials.froze(delivery.time)
        }
    }

    private func expectOneProbe(_ delivery: DeliveryFixture) {
        // The back-off is over and another request on its way.
        delivery.step(forward: 31_000)
        delivery.logs.beginShutdown(delivery.time, until: delivery.time.moment + .milliseconds(1850))
        delivery.step(forward: 1)
        #expect(!delivery.logs.isDrained)
        delivery.step(forward: 498)
        #expect(!delivery.logs.isDrained)
        delivery.step(forward: 1)
        #expect(delivery.logs.isDrained)
        #expect(delivery.ledger.total(.spooled) == 3)
    }

    @Test func `the back end`() throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        server.faults.set([Fault(.hang)])
        let delivery = try DeliveryFixture(to: server.url)
        try delivery.fixture.append(lines(3))
        invoke(delivery) { delivery.logs.breaker.looksDead }
        #expect(delivery.logs.breaker.failures == 2)
        #expect(delivery.notices.count("opensearch_stalled") == 2)
        expectOneProbe(delivery)
    }

    @Test func `Secrets Manager`() throws {
        let secrets = try FakeSecretsManager(user: "user", password: "password")
        defer { secrets.stop() }
        secrets.faults.set([Fault(.hang)])
        let server = try FakeOpenSearch()
        defer { server.stop() }
        let delivery = try DeliveryFixture(
            to: server.url,
            plan: CredentialStore.Plan(
                secretARN: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:login",
                source: .environment(AWSCredentials(accessKey: "key", secretKey: "secret", sessionToken: nil)),
                region: "eu-west-1", secretsManagerURL: secrets.url))
        try delivery.fixture.append(lines(3))
        invoke(delivery) { delivery.credentials.isFailing }
        #expect(delivery.credentials.isFailing)
        expectOneProbe(delivery)
        #expect(server.requestCount == 0)
    }
}
