import Foundation
import LambdaSimulator
import Synchronization

/// Processes that must not outlive the harness: an extension goes on calling `next` for ever.
enum LiveProcesses {
    private static let first = Atomic<Int32>(0)
    private static let second = Atomic<Int32>(0)

    static func add(_ pid: pid_t) {
        if !first.compareExchange(expected: 0, desired: pid, ordering: .relaxed).exchanged {
            second.store(pid, ordering: .relaxed)
        }
    }

    static func remove(_ pid: pid_t) {
        _ = first.compareExchange(expected: pid, desired: 0, ordering: .relaxed)
        _ = second.compareExchange(expected: pid, desired: 0, ordering: .relaxed)
    }

    /// Ends them when a signal ends the harness.
    static func endWithUs() {
        signal(SIGPIPE, SIG_IGN)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { number in
                let first = LiveProcesses.first.load(ordering: .relaxed)
                let second = LiveProcesses.second.load(ordering: .relaxed)
                if first > 0 { kill(first, SIGKILL) }
                if second > 0 { kill(second, SIGKILL) }
                _exit(128 + number)
            }
        }
    }
}

/// How a child ended.
struct ChildEnd {
    /// Nil when a signal ended it.
    var code: Int32?
    /// User and system time in seconds.
    var cpuSeconds: Double
}

/// One process, started with `posix_spawn`.
final class ChildProcess {
    let pid: pid_t
    /// Raw clock before `posix_spawn`.
    let startedAt: UInt64
    private var end: ChildEnd?

    /// `output` and `errors` are files that are written anew; nil discards.
    init(
        _ path: String, _ arguments: [String] = [], variables: [String: String] = [:], output: String? = nil,
        errors: String? = nil
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output ?? "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errors ?? "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        let argv = CStrings([path] + arguments)
        let envp = CStrings(variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
        var pid: pid_t = 0
        let began = Clock.monotonic()
        let code = posix_spawn(&pid, path, &actions, nil, argv.pointers, envp.pointers)
        guard code == 0 else { throw SimulatorError.spawn(path: path, errno: code) }
        self.pid = pid
        startedAt = began
        LiveProcesses.add(pid)
    }

    deinit {
        kill()
    }

    /// User and system time so far, in seconds.
    var cpuSeconds: Double { end?.cpuSeconds ?? Clock.processCPU(pid)?.nanosecondsAsSeconds ?? 0 }

    /// A field of /proc/PID/status in bytes, such as `VmRSS`; nil when the process is gone.
    func memory(_ field: String) -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(field + ":") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            return words.compactMap { Int($0) }.first.map { $0 * 1024 }
        }
        return nil
    }

    @discardableResult
    func kill() -> ChildEnd {
        if end == nil { Glibc.kill(pid, SIGKILL) }
        return wait()
    }

    /// Waits for its end.
    @discardableResult
    func wait() -> ChildEnd {
        if let end { return end }
        var status: Int32 = 0
        var usage = rusage()
        while wait4(pid, &status, 0, &usage) < 0, errno == EINTR {}
        return ended(status, usage)
    }

    /// Nil when `timeout` passed first.
    func wait(timeout: Duration) -> ChildEnd? {
        let deadline = ContinuousClock.now + timeout
        while end == nil {
            var status: Int32 = 0
            var usage = rusage()
            let found = wait4(pid, &status, WNOHANG, &usage)
            if found == pid { return ended(status, usage) }
            guard ContinuousClock.now < deadline else { return nil }
            pause(.milliseconds(1))
        }
        return end
    }

    private func ended(_ status: Int32, _ usage: rusage) -> ChildEnd {
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        let end = ChildEnd(
            code: status & 0x7f == 0 ? status >> 8 & 0xff : nil,
            cpuSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime))
        self.end = end
        LiveProcesses.remove(pid)
        return end
    }
}

/// A null-terminated array of C strings.
private final class CStrings {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        pointers = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() { (pointers + index).initialize(to: strdup(string)) }
        (pointers + count).initialize(to: nil)
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}
