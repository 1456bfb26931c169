/// Every environment variable that configures the extension. The README's table is checked against this list.
package enum EnvironmentKey: String, CaseIterable, Sendable {
    case openSearchURL = "PERMAFROST_OPENSEARCH_URL"
    case pushGatewayURL = "PERMAFROST_PUSHGATEWAY_URL"
    case authSecret = "PERMAFROST_AUTH_SECRET"
    case indexPlatform = "PERMAFROST_INDEX_PLATFORM"
    case indexFunction = "PERMAFROST_INDEX_FUNCTION"
    case indexExtension = "PERMAFROST_INDEX_EXTENSION"
    case indexSetup = "PERMAFROST_INDEX_SETUP"
    case batchEvents = "PERMAFROST_BATCH_EVENTS"
    case batchBytes = "PERMAFROST_BATCH_BYTES"
    case batchAge = "PERMAFROST_BATCH_AGE_MS"
    case requestBytes = "PERMAFROST_REQUEST_BYTES"
    case spoolDirectory = "PERMAFROST_SPOOL_DIR"
    case spoolMaxBytes = "PERMAFROST_SPOOL_MAX_BYTES"
    case compressionLevel = "PERMAFROST_COMPRESSION_LEVEL"
    case types = "PERMAFROST_TYPES"
    case telemetryMaxItems = "PERMAFROST_TELEMETRY_MAX_ITEMS"
    case telemetryMaxBytes = "PERMAFROST_TELEMETRY_MAX_BYTES"
    case telemetryTimeout = "PERMAFROST_TELEMETRY_TIMEOUT_MS"
    case port = "PERMAFROST_PORT"
    case hold = "PERMAFROST_HOLD_MS"
    case metricPush = "PERMAFROST_METRIC_PUSH_MS"
    case metricRequestID = "PERMAFROST_METRIC_REQUEST_ID"
    case metricGroupTTL = "PERMAFROST_METRIC_GROUP_TTL"
    case logLevel = "PERMAFROST_LOG_LEVEL"

    /// The name that the AWS sample extensions use for it
    /// (https://github.com/aws-samples/aws-lambda-extensions, python-example-telemetry-*).
    package var alias: String? {
        switch self {
        case .openSearchURL: "URL"
        case .pushGatewayURL: "GATEWAY"
        case .authSecret: "AUTH_SECRET"
        case .indexPlatform: "PLATFORM_INDEX"
        case .indexFunction: "FUNCTION_INDEX"
        case .indexExtension: "EXTENSION_INDEX"
        case .batchEvents: "DISPATCH_MIN_BATCH_SIZE"
        default: nil
        }
    }

    /// Aliases whose presence shows that the function was set up for the AWS samples: `URL` and `GATEWAY` alone are names
    /// that a function may well use for itself.
    package static let aliasWitnesses: Set<String> = [
        "DISPATCH_MIN_BATCH_SIZE", "AUTH_SECRET", "PLATFORM_INDEX", "FUNCTION_INDEX", "EXTENSION_INDEX",
    ]
}
