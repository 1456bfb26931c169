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
        let node = try Child.run(start, ["--port", "0"])
        let fields = Dictionary(
            node.split(separator: "\n").compactMap { line -> (String, String)? in
                guard let equals = line.firstIndex(of: "=") else { return nil }
                return (String(line[..<equals]), String(line[line.index(after: equals)...]))
            }, uniquingKeysWith: { first, _ in first })
        let data = try #require(fields["data"], "the node did not start")
        defer { _ = try? Child.run(stop, ["--data", data]) }
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
}

/// A child process by `posix_spawn` and `waitpid`. Foundation's `Process` watches a socket that the child inherits, and so
/// waits for a server that a script has left running.
struct Child {
    let pid: pid_t

    /// Standard output and error go to `output`, which is a file for the same reason.
    init(_ program: String, _ arguments: [String], input: String = "/dev/null", output: String) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // One that is not open is no error.
        for descriptor in Int32(3)..<256 { posix_spawn_file_actions_addclose(&actions, descriptor) }
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        words.append(nil)
        var child: pid_t = 0
        try #require(posix_spawn(&child, program, &actions, nil, words, environ) == 0)
        pid = child
    }

    /// The exit status, -1 for a death by signal.
    @discardableResult
    func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) == -1, errno == EINTR {}
        return status & 0x7f == 0 ? status >> 8 & 0xff : -1
    }

    func terminate() {
        kill(pid, SIGTERM)
        wait()
    }

    /// The output of a program that ends well.
    static func run(_ program: String, _ arguments: [String], input: String? = nil) throws -> String {
        let directory = FileManager.default.temporaryDirectory.appending(path: "sinks-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appending(path: "input")
        try Data((input ?? "").utf8).write(to: file)
        let output = directory.appending(path: "output")
        let status = try Child(program, arguments, input: file.path, output: output.path).wait()
        let text = try String(contentsOf: output, encoding: .utf8)
        try #require(status == 0, "\(program) ended with \(status): \(text)")
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
        let log = FileManager.default.temporaryDirectory.appending(path: "gateway-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: log) }
        let gateway = try Child(
            program, ["--persistence.file=", "--web.listen-address=127.0.0.1:0"], output: log.path)
        defer { gateway.terminate() }
        let port = try await Self.port(from: log, of: gateway)
        try await Self.$url.withValue("http://127.0.0.1:\(port)", operation: function)
    }

    /// The port that the gateway says it listens on, once it says so.
    private static func port(from log: URL, of gateway: Child) async throws -> Int {
        let deadline = ContinuousClock.now + .seconds(300)
        while ContinuousClock.now < deadline {
            let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
            if let found = text.firstMatch(of: #/address=127\.0\.0\.1:(\d+)\s/#), let port = Int(found.1) {
                return port
            }
            try #require(kill(gateway.pid, 0) == 0)
            await Task.yield()
        }
        throw Silence()
    }

    struct Silence: Error {}

    private static func find(_ name: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
