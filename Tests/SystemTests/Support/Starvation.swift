import Foundation
import LambdaSimulator
import Testing

/// Leaves a process about a tenth of one CPU, as Lambda does at its smallest sizes: it shares that CPU, at a lower
/// priority, with a program that never rests.
final class Starvation {
    static let isAvailable = tools.allSatisfy { FileManager.default.isExecutableFile(atPath: $0) } && (cpus.count > 1)
    static let reason: Comment = "needs taskset, renice and two CPUs"

    private static let taskset = "/usr/bin/taskset"
    private static let renice = "/usr/bin/renice"
    private static let tools = [taskset, renice]
    /// Those this process may use.
    private static let cpus: [Int] = {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") } ?? ""
        return line.split(separator: "\t").last.map(String.init)?.split(separator: ",").flatMap { range -> [Int] in
            let ends = range.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last else { return [] }
            return Array(first...last)
        } ?? []
    }()

    private let glutton: Child

    init(of pid: pid_t) throws {
        let cpu = String(try #require(Self.cpus.last))
        glutton = try Child(Self.taskset, ["-c", cpu, "/bin/sh", "-c", "while :; do :; done"])
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")
        try #require(try Child(Self.taskset, ["-a", "-p", "-c", cpu, String(pid)]).wait() == 0)
        try #require(try Child(Self.renice, ["-n", "10", "-p"] + threads).wait() == 0)
    }

    func end() { glutton.end(SIGKILL) }
}
