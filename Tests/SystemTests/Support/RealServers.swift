import Foundation
import LambdaSimulator
import Testing

/// The real back ends and other programs, where they can be had.
enum RealServers {
    static let gateway = find("prometheus-pushgateway")
    static let gatewayReason: Comment = "needs prometheus-pushgateway in PATH"
    static let promtool = find("promtool")
    /// Makes SQLite speak from another process.
    static let python = find("python3")
    static let pythonReason: Comment = "needs python3 in PATH"

    static let openSearchURL = Binary.environment("OPENSEARCH_URL")
    /// `shared/opensearch/start` beside the repository, or one or two folders above.
    static let openSearchStart: String? = {
        var folder = URL(filePath: #filePath)
        for _ in 0..<8 {
            folder.deleteLastPathComponent()
            let start = folder.appending(path: "shared/opensearch/start").path
            if FileManager.default.isExecutableFile(atPath: start), find("java") != nil { return start }
        }
        return nil
    }()
    static let openSearchReason: Comment = "needs OPENSEARCH_URL, or ../shared/opensearch/start with java"

    private static func find(_ tool: String) -> String? {
        (Binary.environment("PATH") ?? "/usr/bin:/bin").split(separator: ":").map { "\($0)/\(tool)" }.first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }
}

/// A program that a test starts. Its output goes to a file: one that leaves a child behind keeps no pipe open.
final class Child {
    let pid: pid_t
    private let log: String
    private var status: Int32?

    init(_ program: String, _ arguments: [String]) throws {
        log = try TemporaryDirectory.make("child") + "/log"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        words.append(nil)
        var child: pid_t = 0
        let code = posix_spawn(&child, program, &actions, nil, words, environ)
        guard code == 0 else { throw SimulatorError.spawn(path: program, errno: code) }
        pid = child
    }

    deinit {
        end(SIGKILL)
        TemporaryDirectory.remove((log as NSString).deletingLastPathComponent)
    }

    var output: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    /// The exit status, -1 for a death by signal.
    @discardableResult
    func wait() -> Int32 {
        if let status { return status }
        var raw: Int32 = 0
        while waitpid(pid, &raw, 0) == -1, errno == EINTR {}
        let result = raw & 0x7f == 0 ? raw >> 8 & 0xff : -1
        status = result
        return result
    }

    func end(_ signal: Int32 = SIGTERM) {
        guard status == nil else { return }
        kill(pid, signal)
        wait()
    }
}

/// A real PushGateway on a free port.
final class RealPushGateway {
    let url: String
    private let child: Child

    init() throws {
        let program = try #require(RealServers.gateway)
        let child = try Child(program, ["--persistence.file=", "--web.listen-address=127.0.0.1:0"])
        self.child = child
        var port = ""
        eventually("the gateway says where it listens", within: .seconds(20)) {
            guard let found = child.output.firstMatch(of: /address=127\.0\.0\.1:(\d+)\s/) else { return false }
            port = String(found.1)
            return true
        }
        url = "http://127.0.0.1:\(port)"
    }

    func close() { child.end() }

    var metrics: String { (try? PlainHTTP.get(url + "/metrics")).map { String(decoding: $0, as: UTF8.self) } ?? "" }
}
