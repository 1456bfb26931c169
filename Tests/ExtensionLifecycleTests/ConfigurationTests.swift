import TelemetryModel
import TelemetrySinks
import Testing

@testable import ExtensionLifecycle

@Suite struct ConfigurationTests {
    private func configuration(_ environment: [String: String] = [:]) -> Configuration {
        Configuration(environment: environment)
    }

    private func only(_ key: EnvironmentKey, _ value: String) -> Configuration {
        Configuration(environment: [key.rawValue: value])
    }

    @Test func `an empty environment gives the defaults and no problem`() {
        let configuration = configuration()
        #expect(configuration.problems.isEmpty)
        #expect(configuration.aliasesTaken.isEmpty)
        #expect(configuration.openSearch == nil && !configuration.openSearchUnreadable)
        #expect(configuration.pushGateway == nil && !configuration.pushGatewayUnreadable)
        #expect(configuration.authSecretARN == nil)
        #expect(configuration.indices.platform.text == "lambda-platform")
        #expect(configuration.indices.function.text == "lambda-function")
        #expect(configuration.indices.extensionLogs.text == "lambda-extension")
        #expect(configuration.indexSetup == .template)
        #expect(configuration.batchEvents == 1000)
        #expect(configuration.batchBytes == 1_048_576)
        #expect(configuration.batchAge == .seconds(10))
        #expect(configuration.requestBytes == 5_242_880)
        #expect(configuration.spoolDirectory == "/tmp/permafrost")
        #expect(configuration.spoolMaxBytes == nil)
        #expect(configuration.compressionLevel == 1)
        #expect(configuration.types == [.platform, .function])
        #expect(configuration.telemetryMaxItems == 10_000)
        #expect(configuration.telemetryMaxBytes == 262_144)
        #expect(configuration.telemetryTimeoutMs == 25)
        #expect(configuration.port == 4579)
        #expect(configuration.hold == .zero)
        #expect(configuration.metricPushInterval == .seconds(5))
        #expect(!configuration.metricRequestID)
        #expect(configuration.metricGroupTTL == .seconds(86_400))
        #expect(configuration.logLevel == .warning)
    }

    @Test(arguments: EnvironmentKey.allCases)
    func `the default that help names is the one that holds`(key: EnvironmentKey) {
        guard !key.defaultText.isEmpty else { return }
        var named = only(key, key.defaultText)
        #expect(named.problems.isEmpty)
        // Naming the extension's index subscribes to its stream, whatever the name.
        if key == .indexExtension { named.types = configuration().types }
        #expect(String(reflecting: named) == String(reflecting: configuration()))
    }

    @Test func `good values are taken`() throws {
        let good = configuration([
            "PERMAFROST_OPENSEARCH_URL": "https://user:p%40ss@Search.example:9200/base/",
            "PERMAFROST_PUSHGATEWAY_URL": "gateway:9091",
            "PERMAFROST_AUTH_SECRET": "arn:aws:secretsmanager:eu:1:secret:x",
            "PERMAFROST_INDEX_PLATFORM": "logs-%Y.%m.%d", "PERMAFROST_INDEX_FUNCTION": "f",
            "PERMAFROST_INDEX_EXTENSION": "e", "PERMAFROST_INDEX_SETUP": "None", "PERMAFROST_BATCH_EVENTS": "1",
            "PERMAFROST_BATCH_BYTES": "2", "PERMAFROST_BATCH_AGE_MS": "0", "PERMAFROST_REQUEST_BYTES": "1024",
            "PERMAFROST_SPOOL_DIR": "/tmp/elsewhere", "PERMAFROST_SPOOL_MAX_BYTES": "1048576",
            "PERMAFROST_COMPRESSION_LEVEL": "9", "PERMAFROST_TYPES": " Function , platform,function ",
            "PERMAFROST_TELEMETRY_MAX_ITEMS": "1000", "PERMAFROST_TELEMETRY_MAX_BYTES": "1048576",
            "PERMAFROST_TELEMETRY_TIMEOUT_MS": "30000", "PERMAFROST_PORT": " 65535\n", "PERMAFROST_HOLD_MS": "200",
            "PERMAFROST_METRIC_PUSH_MS": "60000", "PERMAFROST_METRIC_REQUEST_ID": "TRUE",
            "PERMAFROST_METRIC_GROUP_TTL": "90m", "PERMAFROST_LOG_LEVEL": "Warn",
        ])
        #expect(good.problems.isEmpty)
        #expect(good.openSearch?.description == "https://search.example:9200/base")
        #expect(good.openSearch?.user == "user" && good.openSearch?.password?.value == "p@ss")
        #expect(good.pushGateway?.description == "http://gateway:9091")
        #expect(good.authSecretARN == "arn:aws:secretsmanager:eu:1:secret:x")
        #expect(good.indices.platform.name(year: 2026, month: 7, day: 9) == "logs-2026.07.09")
        #expect(good.indices.function.text == "f" && good.indices.extensionLogs.text == "e")
        #expect(good.indexSetup == .none)
        #expect(good.batchEvents == 1 && good.batchBytes == 2 && good.batchAge == .zero)
        #expect(good.requestBytes == 1024 && good.compressionLevel == 9)
        #expect(good.spoolDirectory == "/tmp/elsewhere" && good.spoolMaxBytes == 1_048_576)
        #expect(good.types == [.function, .platform, .extensionLogs])
        #expect(good.telemetryMaxItems == 1000 && good.telemetryMaxBytes == 1_048_576)
        #expect(good.telemetryTimeoutMs == 30_000 && good.port == 65_535)
        #expect(good.hold == .milliseconds(200) && good.metricPushInterval == .seconds(60))
        #expect(good.metricRequestID && good.metricGroupTTL == .seconds(5400) && good.logLevel == .warning)
    }

    @Test(arguments: [
        (EnvironmentKey.indexPlatform, "Upper", "lambda-platform"), (.indexFunction, "a b", "lambda-function"),
        (.indexExtension, "_x", "lambda-extension"), (.indexSetup, "yes", "template"), (.batchEvents, "0", "1000"),
        (.batchBytes, "1e6", "1048576"), (.batchAge, "-1", "10000"), (.requestBytes, "1023", "5242880"),
        (.spoolDirectory, "relative", "/tmp/permafrost"), (.spoolMaxBytes, "1MB", "a quarter"),
        (.compressionLevel, "10", "1"), (.types, "logs", "platform,function"), (.telemetryMaxItems, "999", "10000"),
        (.telemetryMaxBytes, "1048577", "262144"), (.telemetryTimeout, "24", "25"), (.port, "65536", "4579"),
        (.port, "9001", "4579"), (.hold, "soon", "0"), (.metricPush, "5 s", "5000"), (.metricRequestID, "ja", "false"),
        (.metricGroupTTL, "1 week", "24h"), (.logLevel, "loud", "warning"),
    ])
    func `a bad value falls back and is reported with what is used`(key: EnvironmentKey, value: String, used: String) {
        let bad = only(key, value)
        #expect(bad.problems.allSatisfy { $0.variable == key.rawValue })
        #expect(bad.problems.contains { $0.sentence.hasSuffix("is used") && $0.sentence.contains("; \(used)") })
        var repaired = bad
        repaired.problems = []
        var expected = configuration()
        if key == .indexExtension { expected.types.append(.extensionLogs) }
        #expect(String(reflecting: repaired) == String(reflecting: expected))
    }

    @Test func `all problems are reported together`() {
        let bad = configuration(["PERMAFROST_PORT": "x", "PERMAFROST_HOLD_MS": "x", "PERMAFROST_TYPES": "x"])
        #expect(Set(bad.problems.map(\.variable)) == ["PERMAFROST_PORT", "PERMAFROST_HOLD_MS", "PERMAFROST_TYPES"])
    }

    @Test func `an empty value is an unset one`() {
        let environment = Dictionary(uniqueKeysWithValues: EnvironmentKey.allCases.map { ($0.rawValue, " ") })
        #expect(String(reflecting: configuration(environment)) == String(reflecting: configuration()))
    }

    @Test func `a name with our prefix that means nothing is reported, its value is not`() {
        let bad = configuration(["PERMAFROST_OPENSEARCH": "https://user:hunter2@host", "PERMAFROST_CRASH_AT": "x"])
        #expect(
            bad.problems == [
                ConfigurationProblem(
                    variable: "PERMAFROST_OPENSEARCH", sentence: "is not a variable of Permafrost and has no effect")
            ])
    }

    @Test func `a name cannot forge a line of ours`() {
        let problem = configuration(["PERMAFROST_X\npermafrost event=shutdown": "1"]).problems.first
        #expect(problem?.variable == "PERMAFROST_X?permafrost?event?shutdown")
    }

    @Test func `next is not held for an end of the invocation that nobody tells`() {
        let deaf = configuration(["PERMAFROST_HOLD_MS": "200", "PERMAFROST_TYPES": "function"])
        #expect(deaf.hold == .zero)
        #expect(
            deaf.problems == [
                ConfigurationProblem(
                    variable: "PERMAFROST_HOLD_MS", sentence: "needs platform in PERMAFROST_TYPES; 0 is used")
            ])
        #expect(only(.hold, "200").hold == .milliseconds(200))
    }

    @Test func `extension is subscribed to when its index is named`() {
        #expect(only(.indexExtension, "e").types == [.platform, .function, .extensionLogs])
        #expect(configuration(["EXTENSION_INDEX": "e"]).types == [.platform, .function, .extensionLogs])
        let both = configuration(["PERMAFROST_INDEX_EXTENSION": "e", "PERMAFROST_TYPES": "extension"])
        #expect(both.types == [.extensionLogs])
    }

    @Test(arguments: [
        ("0", 0), ("90", 90), ("3600s", 3600), ("90m", 5400), ("24h", 86_400), ("24 h", 86_400), ("2D", 172_800),
        ("3650d", 315_360_000),
    ])
    func `periods are seconds, minutes, hours or days`(text: String, seconds: Int) {
        let configuration = only(.metricGroupTTL, text)
        #expect(configuration.problems.isEmpty)
        #expect(configuration.metricGroupTTL == .seconds(seconds))
    }

    @Test(arguments: ["h", "-1h", "1.5h", "1w", "1h30m", "3651d", "99999999999999999999h", "٣h"])
    func `other periods are problems`(text: String) {
        let configuration = only(.metricGroupTTL, text)
        #expect(configuration.problems.map(\.variable) == ["PERMAFROST_METRIC_GROUP_TTL"])
        #expect(configuration.metricGroupTTL == .seconds(86_400))
    }

    @Test func `whether events are stored and observed follows from the URLs`() {
        let cases: [(String?, String?, stores: Bool, observes: Bool, noSink: Bool)] = [
            (nil, nil, true, false, true), ("http://h", nil, true, false, false), (nil, "h:1", false, true, false),
            ("http://h", "h:1", true, true, false), ("h", nil, true, false, false), ("h", "h:1", true, true, false),
            (nil, "ftp://h", true, true, false),
        ]
        for (search, gateway, stores, observes, noSink) in cases {
            var environment: [String: String] = [:]
            environment["PERMAFROST_OPENSEARCH_URL"] = search
            environment["PERMAFROST_PUSHGATEWAY_URL"] = gateway
            let configuration = configuration(environment)
            #expect(configuration.storesEvents == stores, "\(environment)")
            #expect(configuration.observesMetrics == observes, "\(environment)")
            #expect(configuration.hasNoSink == noSink, "\(environment)")
        }
    }
}

@Suite struct AliasTests {
    private let sample = [
        "URL": "https://search.example", "GATEWAY": "gateway:9091", "AUTH_SECRET": "arn:x", "PLATFORM_INDEX": "p",
        "FUNCTION_INDEX": "f", "EXTENSION_INDEX": "e", "DISPATCH_MIN_BATCH_SIZE": "5",
    ]

    @Test func `a function that is set up for the AWS samples works as it is`() {
        let configuration = Configuration(environment: sample)
        #expect(configuration.problems.isEmpty)
        #expect(configuration.openSearch?.description == "https://search.example")
        #expect(configuration.pushGateway?.description == "http://gateway:9091")
        #expect(configuration.authSecretARN == "arn:x")
        #expect(configuration.indices.platform.text == "p" && configuration.indices.function.text == "f")
        #expect(configuration.indices.extensionLogs.text == "e")
        #expect(configuration.batchEvents == 5)
        #expect(Set(configuration.aliasesTaken) == Set(sample.keys))
    }

    @Test func `URL and GATEWAY alone are the function's own`() {
        let configuration = Configuration(environment: ["URL": "https://a.example", "GATEWAY": "x"])
        #expect(configuration.openSearch == nil && configuration.pushGateway == nil && configuration.hasNoSink)
        #expect(configuration.aliasesTaken.isEmpty && configuration.problems.isEmpty)
    }

    @Test(arguments: EnvironmentKey.aliasWitnesses.sorted())
    func `each of the samples' other names is a witness`(witness: String) {
        let configuration = Configuration(environment: ["URL": "https://a.example", witness: "5"])
        #expect(configuration.openSearch?.host == "a.example")
        #expect(configuration.aliasesTaken.contains("URL"))
    }

    @Test(arguments: [EnvironmentKey.openSearchURL, .pushGatewayURL])
    func `no alias is read beside a URL of ours`(key: EnvironmentKey) {
        var environment = sample
        environment[key.rawValue] = "http://own.example"
        let configuration = Configuration(environment: environment)
        #expect(configuration.aliasesTaken.isEmpty)
        #expect(configuration.openSearch?.host == (key == .openSearchURL ? "own.example" : nil))
        #expect(configuration.pushGateway?.host == (key == .pushGatewayURL ? "own.example" : nil))
        #expect(configuration.authSecretARN == nil)
        #expect(configuration.indices.platform.text == "lambda-platform")
        #expect(configuration.batchEvents == 1000)
        #expect(configuration.types == [.platform, .function])
    }

    @Test func `our own name beats its alias`() {
        var environment = sample
        environment["PERMAFROST_BATCH_EVENTS"] = "7"
        let configuration = Configuration(environment: environment)
        #expect(configuration.batchEvents == 7)
        #expect(!configuration.aliasesTaken.contains("DISPATCH_MIN_BATCH_SIZE"))
    }

    @Test func `a problem names the variable that was read`() {
        let configuration = Configuration(environment: ["DISPATCH_MIN_BATCH_SIZE": "many", "URL": "no url"])
        #expect(Set(configuration.problems.map(\.variable)) == ["DISPATCH_MIN_BATCH_SIZE", "URL"])
    }
}

@Suite struct SecretsInConfigurationTests {
    private static let bad = [
        "https://alice:hunter2@host:port", "https://alice:hunter2@host?x", "https://alice:hunter2@host#x",
        "ftp://alice:hunter2@host", "alice:hunter2@host", "https://alice:hunter2@", "https://ali ce:hunter2@host",
        "https://alice:hunter2%zz@host", "https://host/hunter2/../x", "hunter2",
    ]

    @Test(arguments: bad)
    func `a URL that cannot be read is never quoted`(url: String) {
        for key in [EnvironmentKey.openSearchURL, .pushGatewayURL] {
            let configuration = Configuration(environment: [key.rawValue: url])
            // A bare host is a gateway's address.
            if key == .pushGatewayURL, configuration.problems.isEmpty { continue }
            #expect(configuration.problems.map(\.variable) == [key.rawValue])
            #expect(!configuration.problems.description.contains("hunter2"))
            #expect(!configuration.problems.description.contains("alice"))
        }
    }

    @Test func `a password that was read is shown by no description`() {
        let configuration = Configuration(environment: ["PERMAFROST_OPENSEARCH_URL": "https://alice:hunter2@host"])
        #expect(configuration.openSearch?.password?.value == "hunter2")
        #expect(!String(describing: configuration).contains("hunter2"))
        #expect(!String(reflecting: configuration).contains("hunter2"))
    }

    @Test func `a value in a message is cut and holds no control characters`() {
        let value = "a\u{1b}'" + String(repeating: "b", count: 200)
        let problem = Configuration(environment: ["PERMAFROST_PORT": value]).problems.first
        #expect(problem?.sentence.contains("'a??\(String(repeating: "b", count: 37))'") == true)
    }
}
