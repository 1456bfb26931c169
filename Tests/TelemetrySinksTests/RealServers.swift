import Foundation
import Testing

/// A real OpenSearch node for a suite: the one that `OPENSEARCH_URL` names, else one that is started for the suite and
/// stopped after it.
struct RealOpenSearch: SuiteTrait, TestScoping {
    @TaskLocal static var url = ""

    static let given = ProcessInfo.processInfo.environment["OPENSEARCH_URL"]
    static let launcher = Self.script("start")
    static let reason: Comment = "needs OPENSEARCH_URL or ../shared/opensearch/start"

    static var isThere: Bool { given != nil || launcher != nil }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        if let given = Self.given { return try await Self.$url.withValue(given, operation: function) }
        guard let start = Self.launcher, let stop = Self.script("stop") else { return }
        let node = try Self.run(start, ["--port", "0"])
        let fields = Dictionary(
            node.split(separator: "\n").compactMap { line -> (String, String)? in
                guard let equals = line.firstIndex(of: "=") else { return nil }
                return (String(line[..<equals]), String(line[line.index(after: equals)...]))
            }, uniquingKeysWith: { first, _ in first })
        let data = try #require(fields["data"], "the node did not start")
        defer { _ = try? Self.run(stop, ["--data", data]) }
        try await Self.$url.withValue(try #require(fields["url"]), operation: function)
    }

    private static func script(_ name: String) -> String? {
        var root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        for _ in 0..<3 {
            root.deleteLastPathComponent()
            let path = root.appending(path: "shared/opensearch/\(name)").path
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        return nil
    }

    /// The standard output, when the program has ended well. Its children may go on: the output is a file, so that
    /// nobody waits for them to close it.
    static func run(_ program: String, _ arguments: [String], input: String? = nil) throws -> String {
        let directory = FileManager.default.temporaryDirectory.appending(path: "sinks-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let output = directory.appending(path: "output")
        try Data().write(to: output)
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = process.standardOutput
        if let input {
            let file = directory.appending(path: "input")
            try Data(input.utf8).write(to: file)
            process.standardInput = try FileHandle(forReadingFrom: file)
        }
        try process.run()
        process.waitUntilExit()
        let text = try String(contentsOf: output, encoding: .utf8)
        try #require(process.terminationStatus == 0, "\(program) ended with \(process.terminationStatus): \(text)")
        return text
    }
}

/// The real PushGateway of the distribution, started for a suite on a free port.
struct RealPushGateway: SuiteTrait, TestScoping {
    @TaskLocal static var url = ""

    static let program = Self.find("prometheus-pushgateway")
    static let promtool = Self.find("promtool")
    static let reason: Comment = "needs prometheus-pushgateway in PATH"
    static let promtoolReason: Comment = "needs promtool in PATH"

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        guard let program = Self.program else { return }
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = ["--persistence.file=", "--web.listen-address=127.0.0.1:0"]
        let log = Pipe()
        process.standardError = log
        process.standardOutput = log
        try process.run()
        defer {
            process.terminate()
            process.waitUntilExit()
        }
        try await Self.$url.withValue("http://127.0.0.1:\(try Self.port(from: log))", operation: function)
    }

    /// The port that the gateway says it listens on, once it says so.
    private static func port(from log: Pipe) throws -> Int {
        var text = ""
        while true {
            let data = log.fileHandleForReading.availableData
            try #require(!data.isEmpty, "the gateway ended: \(text)")
            text += String(decoding: data, as: UTF8.self)
            if let found = text.firstMatch(of: #/(?:address|listening_on|addr)="?(?:127\.0\.0\.1|\[::\]):(\d+)/#),
                let port = Int(found.1), port != 0
            {
                return port
            }
        }
    }

    private static func find(_ name: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
