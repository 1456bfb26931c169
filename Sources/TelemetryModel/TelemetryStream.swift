/// A stream of the Telemetry API: what `types` of the subscription names, and what decides the index.
package enum TelemetryStream: String, CaseIterable, Hashable, Sendable {
    case platform
    case function
    case extensionLogs = "extension"
}
