import Foundation
import HTTPTransport

@testable import LambdaSimulator

/// Real back ends for the comparisons. Each is nil, with a reason, where it cannot be had.
enum RealServers {
    /// `OPENSEARCH_URL`, or the node of `shared/opensearch` beside the repository.
    static let openSearchStart: String? = {
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<8 {
            folder.deleteLastPathComponent()
            let start = folder.appendingPathComponent("shared/opensearch/start").path
            if FileManager.default.isExecutableFile(atPath: start), find("java") != nil { return start }
        }
        return nil
    }()

    static let openSearchURL = ProcessInfo.processInfo.environment["OPENSEARCH_URL"].flatMap { $0.isEmpty ? nil : $0 }

    static var hasOpenSearch: Bool { openSearchURL != nil || openSearchStart != nil }

    static let pushGateway = find("prometheus-pushgateway")

    private static func find(_ tool: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return path.split(separator: ":").map { "\($0)/\(tool)" }.first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }

    /// Runs `body` against a real OpenSearch, and stops the node that was started for it whatever happens.
    static func withOpenSearch(_ body: (String) throws -> Void) throws {
        if let openSearchURL { return try body(openSearchURL) }
        guard let start = openSearchStart else { return }
        let data = try TemporaryDirectory.make("node")
        defer {
            _ = try? run(start.dropLast("start".count) + "stop", ["--data", data])
            TemporaryDirectory.remove(data)
        }
        let output = try run(start, ["--port", "0", "--data", data])
        let line = output.split(separator: "\n").first { $0.hasPrefix("url=") }
        try body(String((line ?? "url=").dropFirst("url=".count)))
    }

    static func withPushGateway(_ body: (String) throws -> Void) throws {
        guard let pushGateway else { return }
        let port = try freePort()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: pushGateway)
        process.arguments = ["--web.listen-address=127.0.0.1:\(port)", "--persistence.file="]
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        defer {
            process.terminate()
            process.waitUntilExit()
        }
        let url = "http://127.0.0.1:\(port)"
        let deadline = ContinuousClock.now + .seconds(10)
        while (try? PlainHTTP.get(url + "/-/ready")) == nil {
            guard ContinuousClock.now < deadline else { throw SimulatorError.timedOut("prometheus-pushgateway") }
            pause(.milliseconds(20))
        }
        try body(url)
    }

    /// A port that was free a moment ago.
    private static func freePort() throws -> UInt16 {
        let server = try ServerThread(name: "port") { _, responder in responder.abort() }
        defer { server.stop() }
        return server.port
    }

    /// Not with Foundation's `Process`: it takes a child for running as long as a daemon of that child's holds its socket.
    private static func run(_ path: String, _ arguments: [String]) throws -> String {
        let output = try TemporaryDirectory.make("output")
        defer { TemporaryDirectory.remove(output) }
        let descriptor = open(output + "/text", O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let pid = try Spawn.run(
            path: path, arguments: arguments, variables: ProcessInfo.processInfo.environment, workingDirectory: "/",
            output: descriptor, errors: descriptor)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return try String(contentsOfFile: output + "/text", encoding: .utf8)
    }
}
