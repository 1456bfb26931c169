import Foundation
import LambdaSimulator

/// exec → first `next`, in turns with a start of python, and the memory that is resident then.
struct StartMeasurement {
    let binary: String
    let pairs: Int

    /// The listener thread opens the spool while `next` is called: memory is read when it has had the time for it.
    private static let settling = Duration.milliseconds(30)

    func run(_ report: Report) throws {
        var ours = Samples()
        var theirs = Samples()
        var ratios = Samples()
        var ourCPU = Samples()
        var theirCPU = Samples()
        var resident = Samples()
        var anonymous = Samples()
        for pair in 0..<(pairs + 1) {
            let mine = try start()
            let python = try pythonStart()
            // The first pair fills the page cache.
            guard pair > 0 else { continue }
            ours.add(mine.milliseconds)
            resident.add(mine.resident)
            anonymous.add(mine.anonymous)
            theirs.add(python.milliseconds)
            ratios.add(mine.milliseconds / python.milliseconds)
            ourCPU.add(mine.cpu)
            theirCPU.add(python.cpu)
        }
        let input = "\(pairs) pairs in turns, fresh spool each, no back end called, page cache warm"
        try report.keep("start.permafrost", unit: "ms", input: input, ours)
        try report.keep("start.python", unit: "ms", input: input, theirs)
        try report.keep("start.ratio", unit: "", input: input, ratios)
        try report.keep("start.permafrost_cpu", unit: "ms", input: input, ourCPU)
        try report.keep("start.python_cpu", unit: "ms", input: input, theirCPU)
        try report.keep("start.resident", unit: "MiB", input: input, resident)
        try report.add(
            Row(
                what: "exec → first next ÷ python3 -S -c pass", value: ratios.median, unit: "",
                bounds: .init(budget: 0.5, stretch: 0.25),
                notes: [
                    input,
                    "ours p50 \(Row.number(ours.median)) p90 \(Row.number(ours.percentile(90))) "
                        + "p99 \(Row.number(ours.percentile(99))) ms, "
                        + "python p50 \(Row.number(theirs.median)) ms; the ratio is the median of the pairs'",
                    "CPU time of all threads p50 \(Row.number(ourCPU.median)) ms, python's "
                        + "\(Row.number(theirCPU.median)) ms: \(Row.number(ourCPU.median / theirCPU.median))",
                ]))
        try report.add(
            Row(
                what: "resident memory at the first next", value: resident.median, unit: "MiB",
                bounds: .init(budget: 9, stretch: 7),
                notes: [
                    "VmRSS \(Row.number(Self.settling.milliseconds)) ms after the first next, the spool open; "
                        + "\(Row.number(anonymous.median)) MiB of it anonymous, the rest pages of the executable"
                ]))
    }

    private struct Start {
        var milliseconds: Double
        /// CPU time in milliseconds, read when `next` is known to have been called.
        var cpu: Double
        var resident = 0.0
        var anonymous = 0.0
    }

    private func start() throws -> Start {
        let directory = try ScratchDirectory()
        let run = try ExtensionRun(binary, in: directory, sink: "http://127.0.0.1:\(try Loopback.freePort())")
        defer { run.child.kill() }
        let called = try run.stub.waitForNext()
        var start = Start(
            milliseconds: (called - run.child.startedAt).nanosecondsAsMilliseconds, cpu: run.child.cpuSeconds * 1000)
        pause(Self.settling)
        let mebibyte = 1_048_576.0
        start.resident = Double(run.child.memory("VmRSS") ?? 0) / mebibyte
        start.anonymous = Double(run.child.memory("RssAnon") ?? 0) / mebibyte
        return start
    }

    private func pythonStart() throws -> Start {
        let child = try ChildProcess(try Self.python(), ["-S", "-c", "pass"], variables: ["PATH": "/usr/bin:/bin"])
        let end = child.wait()
        return Start(
            milliseconds: (Clock.monotonic() - child.startedAt).nanosecondsAsMilliseconds, cpu: end.cpuSeconds * 1000)
    }

    /// The distribution's, where there is one: a version manager's shim starts a shell first.
    private static func python() throws -> String {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders = ["/usr/bin"] + path.split(separator: ":").map(String.init)
        for folder in folders where FileManager.default.isExecutableFile(atPath: folder + "/python3") {
            return folder + "/python3"
        }
        throw SimulatorError.state("no python3")
    }
}
