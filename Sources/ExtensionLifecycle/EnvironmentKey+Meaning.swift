extension EnvironmentKey {
    /// What holds when the variable is not set, as the variable would be written; empty for off.
    package var defaultText: String {
        switch self {
        case .openSearchURL, .pushGatewayURL, .authSecret: ""
        case .indexPlatform: "lambda-platform"
        case .indexFunction: "lambda-function"
        case .indexExtension: "lambda-extension"
        case .indexSetup: "template"
        case .batchEvents: "1000"
        case .batchBytes: "1048576"
        case .batchAge: "10000"
        case .requestBytes: "5242880"
        case .spoolDirectory: "/tmp/permafrost"
        case .spoolMaxBytes: ""
        case .compressionLevel: "1"
        case .types: "platform,function"
        case .telemetryMaxItems: "10000"
        case .telemetryMaxBytes: "262144"
        case .telemetryTimeout: "25"
        case .port: "4579"
        case .hold: "0"
        case .metricPush: "5000"
        case .metricRequestID: "false"
        case .metricGroupTTL: "24h"
        case .logLevel: "warning"
        }
    }

    /// One line for `permafrost help`.
    package var meaning: String {
        switch self {
        case .openSearchURL: "base URL of OpenSearch; may hold a path and user:password"
        case .pushGatewayURL: "base URL or host:port of the PushGateway"
        case .authSecret: "Secrets Manager ARN with the keys username and password"
        case .indexPlatform: "index or data stream of platform events; %Y %m %d from the event's time"
        case .indexFunction: "the same for the function's lines"
        case .indexExtension: "the same for extensions' lines"
        case .indexSetup: "template, index or none"
        case .batchEvents: "flush when this many events wait"
        case .batchBytes: "or this many uncompressed bytes"
        case .batchAge: "or the oldest has waited this long"
        case .requestBytes: "largest bulk request, uncompressed bytes"
        case .spoolDirectory: "where the spool lies"
        case .spoolMaxBytes: "its files, at most; unset: a quarter of what is free, at most 256 MiB"
        case .compressionLevel: "0 to 9"
        case .types: "streams to subscribe to; extension is added when its index is set"
        case .telemetryMaxItems: "the platform's buffering: events"
        case .telemetryMaxBytes: "the platform's buffering: bytes"
        case .telemetryTimeout: "the platform's buffering: milliseconds"
        case .port: "of the listener; the next free one if it is taken"
        case .hold: "longest wait for a due flush before next, after runtimeDone"
        case .metricPush: "shortest time between two pushes"
        case .metricRequestID: "request id as an extra label, newest 200"
        case .metricGroupTTL: "groups of gone environments are removed after; 0 = never"
        case .logLevel: "own lines on stderr: debug, info, warning, error, off"
        }
    }
}
