import HTTPTransport
import LambdaAPI
import Testing

@Suite struct TelemetrySubscriptionTests {
    private let subscription = TelemetrySubscription(
        types: ["platform", "function"], maxItems: 10_000, maxBytes: 262_144, timeoutMs: 25, port: 4579)

    private func subscribe(_ plane: FakeControlPlane) throws -> SubscriptionResult {
        try subscription.subscribe(identifier: "id-1", runtimeAPI: plane.address, client: try HTTPClient())
    }

    @Test func `subscribing sends exactly this request`() throws {
        let plane = try FakeControlPlane(.init(body: "\"OK\""))
        defer { plane.stop() }
        #expect(try subscribe(plane) == .subscribed(schema: "2025-01-29"))
        #expect(
            plane.requests == [
                """
                PUT /2022-07-01/telemetry
                Lambda-Extension-Identifier: id-1
                Content-Type: application/json
                {"schemaVersion":"2025-01-29","types":["platform","function"],\
                "buffering":{"maxItems":10000,"maxBytes":262144,"timeoutMs":25},\
                "destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:4579"}}
                """
            ])
    }

    @Test func `a schema that is not known is followed by the one before it`() throws {
        let plane = try FakeControlPlane(.init(status: 400), .init(status: 400), .init(body: "\"OK\""))
        defer { plane.stop() }
        #expect(try subscribe(plane) == .subscribed(schema: "2022-07-01"))
        #expect(plane.requests.count == 3)
    }

    @Test func `when every schema is refused the refusal is told`() throws {
        let refusal = FakeControlPlane.Answer(status: 400, body: #"{"errorType":"ValidationError"}"#)
        let plane = try FakeControlPlane(refusal, refusal, refusal)
        defer { plane.stop() }
        #expect(throws: ExtensionsError.refused(status: 400, errorType: "ValidationError")) { try subscribe(plane) }
    }

    @Test func `an emulator that accepts and does nothing is told apart`() throws {
        let plane = try FakeControlPlane(.init(status: 202, body: #"{"errorType":"Telemetry.NotSupported"}"#))
        defer { plane.stop() }
        #expect(try subscribe(plane) == .notSupported)
    }

    @Test func `a closed subscription is not tried with other schemas`() throws {
        let plane = try FakeControlPlane(.init(status: 403, body: #"{"errorType":"Telemetry.SubscriptionClosed"}"#))
        defer { plane.stop() }
        #expect(throws: ExtensionsError.refused(status: 403, errorType: "Telemetry.SubscriptionClosed")) {
            try subscribe(plane)
        }
        #expect(plane.requests.count == 1)
    }
}
