package import TelemetryModel
package import TelemetrySinks

/// The extension's settings, parsed once. Parsing never fails: a bad value falls back to its default and is reported.
package struct Configuration: Sendable {
    package var openSearch: Endpoint?
    package var pushGateway: Endpoint?
    /// True when a URL was given that cannot be read: its events are spooled as if the back end were down.
    package var openSearchUnreadable = false
    package var pushGatewayUnreadable = false
    package var authSecretARN: String?
    package var indices: IndexPatterns
    package var indexSetup: IndexSetupMode
    package var batchEvents: Int
    package var batchBytes: Int
    package var batchAge: Duration
    package var requestBytes: Int
    package var spoolDirectory: String
    /// Nil: a quarter of what is free at start, at most 256 MiB.
    package var spoolMaxBytes: Int?
    package var compressionLevel: Int
    package var types: [TelemetryStream]
    package var telemetryMaxItems: Int
    package var telemetryMaxBytes: Int
    package var telemetryTimeoutMs: Int
    package var port: UInt16
    package var hold: Duration
    package var metricPushInterval: Duration
    package var metricRequestID: Bool
    /// Zero: never.
    package var metricGroupTTL: Duration
    package var logLevel: NoticeLevel
    package var problems: [ConfigurationProblem]
    /// Variables of the AWS samples that were read, for the line at start.
    package var aliasesTaken: [String]

    package init(environment: [String: String]) {
        var reader = EnvironmentReader(environment)
        let openSearch = Self.endpoint(.openSearchURL, .url, &reader)
        let pushGateway = Self.endpoint(.pushGatewayURL, .urlOrHost, &reader)
        self.openSearch = openSearch.endpoint
        self.openSearchUnreadable = openSearch.unreadable
        self.pushGateway = pushGateway.endpoint
        self.pushGatewayUnreadable = pushGateway.unreadable
        authSecretARN = reader.text(.authSecret)
        let extensionIndexNamed = reader.text(.indexExtension) != nil
        indices = IndexPatterns(
            platform: Self.pattern(.indexPlatform, "lambda-platform", &reader),
            function: Self.pattern(.indexFunction, "lambda-function", &reader),
            extensionLogs: Self.pattern(.indexExtension, "lambda-extension", &reader))
        indexSetup = reader.choice(.indexSetup, default: .template)
        batchEvents = reader.integer(.batchEvents, in: 1...1_000_000, default: 1000)
        batchBytes = reader.integer(.batchBytes, in: 1...1_073_741_824, default: 1_048_576)
        batchAge = reader.milliseconds(.batchAge, in: 0...86_400_000, default: 10_000)
        requestBytes = reader.integer(.requestBytes, in: 1024...104_857_600, default: 5_242_880)
        spoolDirectory = Self.spoolDirectory(&reader)
        spoolMaxBytes = Self.spoolMaxBytes(&reader)
        compressionLevel = reader.integer(.compressionLevel, in: 0...9, default: 1)
        types = Self.types(&reader, extensionIndexNamed: extensionIndexNamed)
        // The platform's own ranges: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html
        telemetryMaxItems = reader.integer(.telemetryMaxItems, in: 1000...10_000, default: 10_000)
        telemetryMaxBytes = reader.integer(.telemetryMaxBytes, in: 262_144...1_048_576, default: 262_144)
        telemetryTimeoutMs = reader.integer(.telemetryTimeout, in: 25...30_000, default: 25)
        port = UInt16(clamping: Self.port(&reader))
        hold = Self.hold(&reader, types: types)
        metricPushInterval = reader.milliseconds(.metricPush, in: 0...86_400_000, default: 5000)
        metricRequestID = reader.bool(.metricRequestID, default: false)
        metricGroupTTL = reader.period(.metricGroupTTL, default: .seconds(86_400))
        logLevel = Self.logLevel(&reader)
        reader.reportUnknownKeys()
        problems = reader.problems
        aliasesTaken = reader.aliasesTaken
    }

    /// No back end at all is named: what arrives is spooled within its bound.
    package var hasNoSink: Bool {
        openSearch == nil && pushGateway == nil && !openSearchUnreadable && !pushGatewayUnreadable
    }

    /// Log events are stored unless only a PushGateway was asked for.
    package var storesEvents: Bool {
        openSearch != nil || openSearchUnreadable || pushGateway == nil
    }

    /// Observations are made only for somebody to push them.
    package var observesMetrics: Bool { pushGateway != nil || pushGatewayUnreadable }

    private static func endpoint(
        _ key: EnvironmentKey, _ form: Endpoint.Form, _ reader: inout EnvironmentReader
    ) -> (endpoint: Endpoint?, unreadable: Bool) {
        guard let text = reader.text(key) else { return (nil, false) }
        do {
            return (try Endpoint(parsing: text, form: form), false)
        } catch {
            reader.report(key, "\(error); nothing is sent there, events stay in the spool within its bound")
            return (nil, true)
        }
    }

    private static func pattern(
        _ key: EnvironmentKey, _ fallback: String, _ reader: inout EnvironmentReader
    ) -> IndexPattern {
        if let text = reader.text(key) {
            if let pattern = IndexPattern(text) { return pattern }
            reader.report(key, "is no name that OpenSearch takes for an index; \(fallback) is used")
        }
        return IndexPattern(fixed: fallback)
    }

    private static func spoolDirectory(_ reader: inout EnvironmentReader) -> String {
        let fallback = "/tmp/permafrost"
        guard let text = reader.text(.spoolDirectory) else { return fallback }
        guard text.hasPrefix("/"), !text.utf8.contains(0) else {
            reader.report(.spoolDirectory, "must be an absolute path; \(fallback) is used")
            return fallback
        }
        return text
    }

    private static func spoolMaxBytes(_ reader: inout EnvironmentReader) -> Int? {
        guard let text = reader.text(.spoolMaxBytes) else { return nil }
        guard let bytes = Int(text), bytes >= 1_048_576 else {
            reader.report(
                .spoolMaxBytes,
                "must be a whole number of bytes, at least 1048576; a quarter of what is free, at most 256 MiB, is used"
            )
            return nil
        }
        return bytes
    }

    private static func types(
        _ reader: inout EnvironmentReader, extensionIndexNamed: Bool
    ) -> [TelemetryStream] {
        var types: [TelemetryStream] = []
        for part in (reader.text(.types) ?? "platform,function").split(separator: ",") {
            let name = part.split(separator: " ").joined().lowercased()
            guard !name.isEmpty else { continue }
            guard let stream = TelemetryStream(rawValue: name) else {
                reader.report(.types, "may hold platform, function and extension; the rest is ignored")
                continue
            }
            if !types.contains(stream) { types.append(stream) }
        }
        if types.isEmpty {
            reader.report(.types, "names no stream; platform,function is used")
            types = [.platform, .function]
        }
        if extensionIndexNamed, !types.contains(.extensionLogs) { types.append(.extensionLogs) }
        return types
    }

    private static func port(_ reader: inout EnvironmentReader) -> Int {
        let fallback = 4579
        let port = reader.integer(.port, in: 1...65_535, default: fallback)
        guard port != 9001 else {
            reader.report(.port, "is 9001, which Lambda keeps for itself; \(fallback) is used")
            return fallback
        }
        return port
    }

    /// The end of an invocation is told on the platform stream: without it `next` would be held until a flush ends.
    private static func hold(_ reader: inout EnvironmentReader, types: [TelemetryStream]) -> Duration {
        let hold = reader.milliseconds(.hold, in: 0...900_000, default: 0)
        guard hold > .zero, !types.contains(.platform) else { return hold }
        reader.report(.hold, "needs platform in \(EnvironmentKey.types.rawValue); 0 is used")
        return .zero
    }

    private static func logLevel(_ reader: inout EnvironmentReader) -> NoticeLevel {
        guard let text = reader.text(.logLevel) else { return .warning }
        let name = text.lowercased() == "warn" ? "warning" : text.lowercased()
        if let level = NoticeLevel.allCases.first(where: { $0.name == name }) { return level }
        reader.report(.logLevel, "must be one of debug, info, warning, error, off; warning is used")
        return .warning
    }
}
