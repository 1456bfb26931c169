import ExtensionLifecycle
import TelemetryModel
import TelemetrySinks

/// An environment, as the kernel hands it over: `NAME=value`, each ended by a zero byte.
enum ConfigurationTarget {
    private static let secret = "hunter2-canary"

    static func check(_ input: [UInt8]) throws {
        var environment: [String: String] = [:]
        for entry in input.split(separator: 0) {
            let text = String(decoding: entry, as: UTF8.self)
            guard let separator = text.firstIndex(of: "=") else { continue }
            environment[String(text[..<separator])] = String(text[text.index(after: separator)...])
        }
        let configuration = Configuration(environment: environment)
        try ranges(configuration)
        try problems(configuration)
        try aliases(configuration, environment)
        for endpoint in [configuration.openSearch, configuration.pushGateway] {
            if let endpoint { try check(endpoint) }
        }
        try keepsSecrets(environment)
        _ = LambdaEnvironment(environment)
    }

    private static func ranges(_ configuration: Configuration) throws {
        try expect((1...1_000_000).contains(configuration.batchEvents), "batchEvents")
        try expect((1...(1 << 30)).contains(configuration.batchBytes), "batchBytes")
        try expect((.zero ... .seconds(86_400)).contains(configuration.batchAge), "batchAge")
        try expect((1024...(100 << 20)).contains(configuration.requestBytes), "requestBytes")
        try expect(configuration.spoolMaxBytes.map { $0 >= 1 << 20 } ?? true, "spoolMaxBytes")
        try expect((0...9).contains(configuration.compressionLevel), "compressionLevel")
        try expect((1000...10_000).contains(configuration.telemetryMaxItems), "telemetryMaxItems")
        try expect((262_144...1_048_576).contains(configuration.telemetryMaxBytes), "telemetryMaxBytes")
        try expect((25...30_000).contains(configuration.telemetryTimeoutMs), "telemetryTimeoutMs")
        try expect(configuration.port != 0 && configuration.port != 9001, "port")
        try expect((.zero ... .seconds(900)).contains(configuration.hold), "hold")
        try expect(configuration.hold == .zero || configuration.types.contains(.platform), "hold without platform")
        try expect((.zero ... .seconds(86_400)).contains(configuration.metricPushInterval), "metricPushInterval")
        try expect((.zero ... .seconds(3_650 * 86_400)).contains(configuration.metricGroupTTL), "metricGroupTTL")
        try expect(
            !configuration.types.isEmpty && Set(configuration.types).count == configuration.types.count, "types")
        try expect(
            configuration.spoolDirectory.hasPrefix("/") && !configuration.spoolDirectory.utf8.contains(0), "directory")
        for stream in TelemetryStream.allCases {
            let pattern = configuration.indices[stream]
            let name = pattern.name(year: 2026, month: 7, day: 9)
            let isAllowed = name.utf8.allSatisfy {
                (0x21...0x7e).contains($0) && !(0x41...0x5a).contains($0) && !"\\/*?\"<>|,#:".utf8.contains($0)
            }
            try expect(isAllowed && !name.isEmpty && name.utf8.count <= 255 && pattern.matches(name), "index \(name)")
        }
    }

    /// A line of ours is one line, of bounded length, whatever the variables hold.
    private static func problems(_ configuration: Configuration) throws {
        for problem in configuration.problems {
            try expect(
                problem.variable.unicodeScalars.allSatisfy { $0.isASCII && $0.value > 0x20 && $0.value < 0x7f }
                    && problem.variable.utf8.count <= 80, "variable \(problem.variable)")
            try expect(
                !problem.sentence.unicodeScalars.contains {
                    [.control, .lineSeparator, .paragraphSeparator].contains($0.properties.generalCategory)
                } && problem.sentence.utf8.count <= 400, "sentence \(problem.sentence)")
        }
    }

    private static func aliases(_ configuration: Configuration, _ environment: [String: String]) throws {
        guard !configuration.aliasesTaken.isEmpty else { return }
        let own = [EnvironmentKey.openSearchURL, .pushGatewayURL].contains {
            environment[$0.rawValue]?.isEmpty == false
        }
        try expect(!own, "aliases beside our own URLs")
        try expect(EnvironmentKey.aliasWitnesses.contains { environment[$0]?.isEmpty == false }, "no witness")
    }

    /// What is kept of a URL is its canonical form, and a target below it is plain ASCII.
    private static func check(_ endpoint: Endpoint) throws {
        let again = try Endpoint(parsing: endpoint.description)
        try expect(
            again.scheme == endpoint.scheme && again.host == endpoint.host && again.port == endpoint.port
                && again.pathPrefix == endpoint.pathPrefix && again.description == endpoint.description,
            "\(endpoint) reads back as \(again)")
        try expect(!endpoint.host.isEmpty && endpoint.port.map { (1...65_535).contains($0) } ?? true, "\(endpoint)")
        let url = endpoint.url(path: ["_bulk"], query: [("filter_path", "items.*")])
        try expect(url.utf8.allSatisfy { (0x21...0x7e).contains($0) }, "target \(url)")
        try expect(url.hasPrefix(endpoint.description + "/_bulk?"), "target \(url)")
    }

    /// With a known word in place of the credentials of every URL, however broken the rest of it, no text shows it.
    private static func keepsSecrets(_ environment: [String: String]) throws {
        var planted = environment
        for name in ["PERMAFROST_OPENSEARCH_URL", "PERMAFROST_PUSHGATEWAY_URL", "URL", "GATEWAY"] {
            planted[name] = environment[name].map(plant)
        }
        guard !environment.contains(where: { $0.key.contains(secret) || $0.value.contains(secret) }) else { return }
        let configuration = Configuration(environment: planted)
        var dumped = ""
        dump(configuration.openSearch?.password, to: &dumped)
        dump(configuration.pushGateway?.password, to: &dumped)
        let texts =
            ["\(configuration)", String(reflecting: configuration), dumped]
            + configuration.problems.flatMap { [$0.variable, $0.sentence] }
        for text in texts { try expect(!text.contains(secret), "shows a secret: \(text)") }
    }

    /// The user-info of a URL's authority replaced; a value without one stays as it is.
    private static func plant(_ url: String) -> String {
        let bytes = Array(url.utf8)
        let scheme = bytes.indices.first { bytes[$0...].starts(with: "://".utf8) }
        let start = scheme.map { $0 + 3 } ?? 0
        let end = bytes[start...].firstIndex { "/?#".utf8.contains($0) } ?? bytes.count
        guard let at = bytes[start..<end].lastIndex(of: UInt8(ascii: "@")) else { return url }
        return String(decoding: bytes[..<start] + Array("\(secret):\(secret)".utf8) + bytes[at...], as: UTF8.self)
    }
}
