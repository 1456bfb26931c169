import LambdaSimulator
import TelemetryModel
import TelemetrySinks
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

/// A back end that fails at the set-up of an index: the documents wait for it, but not for ever.
@Suite struct IndexPreparationTests {
    private func paths(_ server: FakeOpenSearch) -> [String] {
        server.requests.map { $0.path.hasSuffix("/_bulk") ? "bulk" : "set-up" }
    }

    @Test(arguments: [408, 429, 500, 503])
    func `after five failures the documents go without, and it is asked again later`(status: Int) throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        server.faults.set([Fault(.status(status), path: "/_index_template")])
        let delivery = try DeliveryFixture(to: server.url, indexSetup: .template)
        try delivery.fixture.append(lines(3, "a"))
        for _ in 0..<6 { delivery.turn() }
        #expect(delivery.notices.count("opensearch_failed") == 5)
        #expect(paths(server) == ["set-up", "set-up", "set-up", "set-up", "set-up", "bulk"])
        #expect(server.documentCount == 3)
        try delivery.fixture.append(lines(3, "b"))
        delivery.turn()
        #expect(server.documentCount == 6)
        server.faults.clear()
        try delivery.fixture.append(lines(3, "c"))
        delivery.turn(forward: 600_000)
        #expect(server.documentCount == 9)
        #expect(!server.templateNames.isEmpty)
    }

    @Test func `a back end that fails altogether is asked for it first when it comes back`() throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        server.faults.set([Fault(.status(503), path: "/")])
        let delivery = try DeliveryFixture(to: server.url, indexSetup: .template)
        try delivery.fixture.append(lines(3))
        for _ in 0..<6 { delivery.turn() }
        #expect(paths(server).last == "bulk")
        server.faults.clear()
        delivery.turn()
        #expect(server.documentCount == 3)
        #expect(!server.templateNames.isEmpty)
    }

    @Test func `a login that it refuses is asked for again, and the set-up as well`() throws {
        let secrets = try FakeSecretsManager(user: "user", password: "password")
        defer { secrets.stop() }
        let server = try FakeOpenSearch()
        defer { server.stop() }
        let delivery = try DeliveryFixture(
            to: server.url, indexSetup: .index,
            plan: CredentialStore.Plan(
                secretARN: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:login",
                source: .environment(AWSCredentials(accessKey: "key", secretKey: "secret", sessionToken: nil)),
                region: "eu-west-1", secretsManagerURL: secrets.url))
        try delivery.fixture.append(lines(3))
        delivery.turn()
        #expect(server.documentCount == 3)
        server.faults.set([Fault(.status(401), path: "/lambda-platform", count: 1)])
        try delivery.fixture.append(
            #"[{"time":"2026-07-29T08:00:00.702Z","type":"platform.extension","record":{"name":"e","state":"Ready"}}]"#)
        delivery.turn(forward: 61_000)
        #expect(secrets.requests.count == 2)
        #expect(delivery.notices.count("opensearch_unauthorized") == 1)
        #expect(server.documentCount == 3)
        delivery.turn()
        #expect(server.documentCount == 4)
        #expect(delivery.notices.count("index_setup_refused") == 0)
    }
}
