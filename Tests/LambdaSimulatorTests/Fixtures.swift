@testable import LambdaSimulator

enum Fixtures {
    static func event(_ marker: String, text: String = "a line", stream: String = "function") -> TelemetryEvent {
        var record: [UInt8] = []
        JSONValue.append("\(marker) \(text)", to: &record)
        return TelemetryEvent(timeMs: 1_785_312_000_000, type: stream, record: record, key: .marker(marker))
    }

    static func subscription(
        port: UInt16 = 1, types: [String] = ["platform", "function"], maxItems: Int = 1000, maxBytes: Int = 262_144,
        timeoutMs: Int = 25
    ) -> SubscriptionRequest {
        SubscriptionRequest(
            schemaVersion: "2025-01-29", types: types, maxItems: maxItems, maxBytes: maxBytes, timeoutMs: timeoutMs,
            port: port, path: "/")
    }

    static func setup(_ path: String) -> EnvironmentSetup {
        var setup = EnvironmentSetup(extensions: [path])
        setup.timeout = .seconds(5)
        return setup
    }
}
