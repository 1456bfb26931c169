import Foundation

/// How a process ended, and what it used.
package struct ProcessExit: Equatable, Sendable {
    /// Nil when a signal ended it.
    package var code: Int32?
    package var signal: Int32?
    package var cpuSeconds: Double
    package var peakResidentBytes: Int
}

/// A line that an extension printed.
package struct ExtensionLine: Equatable, Sendable {
    package var text: String
    package var isError: Bool
}

/// One extension as a process: started in a process group of its own, its output read line by line, frozen and thawed
/// with signals.
package final class ExtensionProcess: Sendable {
    struct State: Sendable {
        var exit: ProcessExit?
        var lines: [ExtensionLine] = []
        var isFrozen = false
        var openStreams = 2
    }

    package let name: String
    package let pid: Int32
    package let startedAt: ContinuousClock.Instant
    private let state = Monitor(State())

    /// Lines kept of each process; older ones are forgotten.
    private static let keptLines = 20_000

    /// `onLine` runs on a thread of the process, `onExit` once, on another.
    init(
        path: String, arguments: [String] = [], name: String? = nil, variables: [String: String],
        workingDirectory: String, onLine: @escaping @Sendable (ExtensionLine) -> Void,
        onExit: @escaping @Sendable () -> Void
    ) throws(SimulatorError) {
        let output = try Ends.make()
        let errors = try Ends.make()
        self.name = name ?? String(path.split(separator: "/").last ?? "")
        let began = ContinuousClock.now
        let pid: pid_t
        do {
            pid = try Spawn.run(
                path: path, arguments: arguments, variables: variables, workingDirectory: workingDirectory,
                output: output.write, errors: errors.write)
        } catch {
            for descriptor in [output.read, output.write, errors.read, errors.write] { close(descriptor) }
            throw error
        }
        close(output.write)
        close(errors.write)
        self.pid = pid
        startedAt = began
        read(output.read, isError: false, onLine)
        read(errors.read, isError: true, onLine)
        let waiter = Thread { [state] in
            // The end is seen first and reaped under the lock: until `exit` is set the pid is nobody else's.
            var information = siginfo_t()
            while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) < 0, errno == EINTR {}
            state.withLock { $0.exit = Self.reap(pid) }
            onExit()
        }
        waiter.name = "reaper"
        waiter.start()
    }

    private struct Ends {
        var read: Int32
        var write: Int32

        static func make() throws(SimulatorError) -> Ends {
            var ends: [Int32] = [-1, -1]
            guard pipe2(&ends, O_CLOEXEC) == 0 else { throw .system(call: "pipe2", errno: errno) }
            return Ends(read: ends[0], write: ends[1])
        }
    }

    private func read(_ descriptor: Int32, isError: Bool, _ onLine: @escaping @Sendable (ExtensionLine) -> Void) {
        let thread = Thread { [state] in
            var pending: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 16 * 1024)
            func emit(_ bytes: ArraySlice<UInt8>) {
                let line = ExtensionLine(text: String(decoding: bytes, as: UTF8.self), isError: isError)
                state.withLock { state in
                    if state.lines.count >= Self.keptLines { state.lines.removeFirst(Self.keptLines / 10) }
                    state.lines.append(line)
                }
                onLine(line)
            }
            while true {
                let count = Foundation.read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                pending += buffer[..<count]
                while let end = pending.firstIndex(of: 0x0A) {
                    emit(pending[..<end])
                    pending.removeSubrange(...end)
                }
            }
            if !pending.isEmpty { emit(pending[...]) }
            close(descriptor)
            state.withLock { $0.openStreams -= 1 }
        }
        thread.name = isError ? "stderr" : "stdout"
        thread.start()
    }

    private static func reap(_ pid: pid_t) -> ProcessExit {
        var status: Int32 = 0
        var usage = rusage()
        while wait4(pid, &status, 0, &usage) < 0, errno == EINTR {}
        let signal = status & 0x7f
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return ProcessExit(
            code: signal == 0 ? (status >> 8) & 0xff : nil, signal: signal == 0 ? nil : signal,
            cpuSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime), peakResidentBytes: usage.ru_maxrss * 1024)
    }

    // MARK: Looking

    package var exit: ProcessExit? { state.withLock { $0.exit } }
    package var isRunning: Bool { exit == nil }
    package var lines: [ExtensionLine] { state.withLock { $0.lines } }

    /// Waits for the end of the process. Nil when `timeout` passed first.
    package func waitForExit(timeout: Duration) -> ProcessExit? { state.wait(timeout: timeout) { $0.exit } }

    /// Waits until its output has been read to the end, after its exit.
    func waitForOutput(timeout: Duration) { _ = state.wait(timeout: timeout) { $0.openStreams == 0 ? true : nil } }

    /// Waits for a line that contains `text`.
    package func waitForLine(containing text: String, timeout: Duration) -> ExtensionLine? {
        state.wait(timeout: timeout) { $0.lines.first { $0.text.contains(text) } }
    }

    /// Resident memory now, in bytes, from /proc; nil when the process is gone.
    package var residentBytes: Int? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("VmRSS:") {
            return line.split(separator: " ").compactMap { Int($0) }.first.map { $0 * 1024 }
        }
        return nil
    }

    /// User and system time so far, in seconds, from /proc; nil when the process is gone.
    package var cpuSeconds: Double? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    // MARK: Signals

    /// To the whole group, so that an extension's children stop and die with it.
    package func send(_ signal: Int32) {
        // A pid that has been reaped may belong to somebody else by now.
        state.withLock { state in
            guard state.exit == nil else { return }
            killpg(pid, signal)
        }
    }

    /// Returns when the process has stopped.
    func freeze() {
        send(SIGSTOP)
        var information = siginfo_t()
        // WNOWAIT: the end of the process, should it come now, is the reaper's.
        waitid(P_PID, id_t(pid), &information, WSTOPPED | WEXITED | WNOWAIT)
        state.withLock { $0.isFrozen = true }
    }

    func thaw() {
        let wasFrozen = state.withLock { state in
            defer { state.isFrozen = false }
            return state.isFrozen
        }
        if wasFrozen { send(SIGCONT) }
    }

    package var isFrozen: Bool { state.withLock { $0.isFrozen } }

    /// SIGKILL, and wait until it is gone.
    @discardableResult
    package func kill() -> ProcessExit? {
        send(SIGKILL)
        return waitForExit(timeout: .seconds(10))
    }
}
