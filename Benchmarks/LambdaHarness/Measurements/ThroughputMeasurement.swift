import Deflate
import Foundation
import LambdaSimulator

/// 200,000 events in POSTs of 256 KiB: accepted with the sink down, then drained by a successor, beside zlib's level 1
/// on the very lines; and small POSTs while such a drain runs.
struct ThroughputMeasurement {
    let binary: String
    let rounds: Int

    private static let events = 200_000
    private static let mebibyte = 1_048_576.0

    private struct Load {
        var requests: [[UInt8]] = []
        var events = 0
        var bodyBytes = 0

        init() {
            var corpus = Corpus()
            while events < ThroughputMeasurement.events {
                let (body, count) = corpus.full()
                requests.append(TelemetryClient.request(body))
                events += count
                bodyBytes += body.count
            }
        }
    }

    private struct Readings {
        var intakeRatio = Samples()
        var intakeWallRatio = Samples()
        var bodyRatio = Samples()
        var intakeSeconds = Samples()
        var intakeWall = Samples()
        var drainShare = Samples()
        var drainSeconds = Samples()
        var drainWall = Samples()
        var zlibRate = Samples()
        var diskBytes = Samples()
        var peak = Samples()
        var posts = Samples()
    }

    func run(_ report: Report) throws {
        let load = Load()
        let kept = try ScratchDirectory()
        let linesFile = kept.path + "/lines"
        var readings = Readings()
        var reference: ZlibReference?
        for round in 0..<rounds {
            let directory = try ScratchDirectory()
            let intake = try accept(load, in: directory, &readings)
            let copy = try directory.copy()
            let drained = try drain(load, in: directory, keep: round == 0 ? linesFile : nil, &readings)
            if reference == nil {
                let lines = try Data(contentsOf: URL(fileURLWithPath: linesFile))
                reference = ZlibReference(lines: lines, pieces: load.requests.count)
                try FileManager.default.removeItem(atPath: linesFile)
            }
            guard let reference else { throw SimulatorError.state("no lines") }
            let zlib = try reference.run()
            let lines = Double(reference.byteCount)
            readings.zlibRate.add(lines / zlib.cpuSeconds / 1e6)
            readings.intakeRatio.add(zlib.cpuSeconds / intake.cpuSeconds)
            readings.intakeWallRatio.add(zlib.wallSeconds / intake.wallSeconds)
            readings.bodyRatio.add(Double(load.bodyBytes) / intake.cpuSeconds / (lines / zlib.cpuSeconds))
            readings.drainShare.add(drained / zlib.cpuSeconds)
            try postWhileDraining(load, in: copy, &readings)
        }
        guard let reference else { return }
        try write(report, load, readings, reference)
    }

    // MARK: Phases

    private func accept(
        _ load: Load, in directory: ScratchDirectory, _ readings: inout Readings
    ) throws -> (cpuSeconds: Double, wallSeconds: Double) {
        let run = try ExtensionRun(
            binary, in: directory, sink: "http://127.0.0.1:\(try Loopback.freePort())",
            variables: ["PERMAFROST_SPOOL_MAX_BYTES": "268435456"], core: CPUSet.measuredCore)
        defer { run.child.kill() }
        let port = try run.ready()
        _ = try run.stub.invoke(1)
        let cpuBefore = run.child.cpuSeconds
        let wall = try ParallelPosts.send(load.requests, to: port)
        let cpu = run.child.cpuSeconds - cpuBefore
        readings.intakeSeconds.add(cpu / Double(load.events) * 1e6)
        readings.intakeWall.add(wall)
        readings.peak.add(Double(run.child.memory("VmHWM") ?? 0) / Self.mebibyte)
        readings.diskBytes.add(Double(try directory.bytesOnDisk()) / Double(load.events))
        return (cpu, wall)
    }

    /// The spool is opened while `next` is called, and no back end is called before the first INVOKE.
    private static let opening = Duration.milliseconds(40)

    /// CPU seconds of a successor, once it has opened the spool, until its exit.
    private func drain(
        _ load: Load, in directory: ScratchDirectory, keep: String?, _ readings: inout Readings
    ) throws -> Double {
        let sink = try SinkProcess(in: directory, keep: keep)
        let run = try ExtensionRun(
            binary, in: directory, sink: sink.url, variables: ["PERMAFROST_SPOOL_MAX_BYTES": "268435456"])
        defer { run.child.kill() }
        _ = try run.ready()
        pause(Self.opening)
        let cpuBefore = run.child.cpuSeconds
        let began = Clock.monotonic()
        _ = try run.stub.invoke(1)
        try sink.waitForItems(load.events, timeout: .seconds(60))
        readings.drainWall.add((Clock.monotonic() - began).nanosecondsAsSeconds)
        readings.peak.add(Double(run.child.memory("VmHWM") ?? 0) / Self.mebibyte)
        let (end, books) = try run.shutDown()
        guard books.isBalanced, books.count("delivered") == load.events, books.count("spooled") == 0 else {
            throw SimulatorError.state("the books after the drain: \(books.fields)")
        }
        let cpu = end.cpuSeconds - cpuBefore
        readings.drainSeconds.add(cpu / Double(load.events) * 1e6)
        return cpu
    }

    private func postWhileDraining(_ load: Load, in directory: ScratchDirectory, _ readings: inout Readings) throws {
        var corpus = Corpus()
        let requests = (1...2000).map { TelemetryClient.request(corpus.invocation(1_000_000 + $0)) }
        let sink = try SinkProcess(in: directory)
        let run = try ExtensionRun(
            binary, in: directory, sink: sink.url, variables: ["PERMAFROST_SPOOL_MAX_BYTES": "268435456"])
        defer { run.child.kill() }
        let client = try TelemetryClient(port: try run.ready())
        _ = try run.stub.invoke(1)
        for (index, request) in requests.enumerated() {
            // Asking the sink costs it time as well.
            if index % 16 == 15, try sink.totals().items >= load.events { break }
            guard let time = client.post(request) else { throw SimulatorError.http("a POST was not answered with 200") }
            readings.posts.add(time.nanosecondsAsMilliseconds)
            pause(.milliseconds(1))
        }
        readings.peak.add(Double(run.child.memory("VmHWM") ?? 0) / Self.mebibyte)
    }

    // MARK: Figures

    private func write(_ report: Report, _ load: Load, _ readings: Readings, _ reference: ZlibReference) throws {
        let input =
            "\(rounds) rounds of \(load.events) events in \(load.requests.count) POSTs of 256 KiB, two connections"
        for (name, unit, samples) in [
            ("intake.ratio_cpu", "", readings.intakeRatio), ("intake.ratio_wall", "", readings.intakeWallRatio),
            ("intake.cpu_per_million", "s", readings.intakeSeconds), ("intake.wall", "s", readings.intakeWall),
            ("drain.share_cpu", "", readings.drainShare), ("drain.cpu_per_million", "s", readings.drainSeconds),
            ("drain.wall", "s", readings.drainWall), ("zlib.rate", "MB/s", readings.zlibRate),
            ("disk.bytes_per_event", "B", readings.diskBytes), ("memory.peak", "MiB", readings.peak),
            ("latency.25_events_draining", "ms", readings.posts),
        ] { try report.keep(name, unit: unit, input: input, samples) }

        try report.add(
            Row(
                what: "resident memory at full load", value: readings.peak.largest, unit: "MiB",
                bounds: .init(budget: 32, stretch: 20),
                notes: ["VmHWM, the largest of intake, drain, and small POSTs during a drain"]))
        try report.add(
            Row(
                what: "POST of 25 events → 200, p99, 200,000 events draining", value: readings.posts.percentile(99),
                unit: "ms", bounds: .init(budget: 10, stretch: 4),
                notes: [
                    "\(readings.posts.count) POSTs 1 ms apart; client, sink and extension share \(CPUSet.count) cores",
                    "p50 \(Row.number(readings.posts.median)) p90 \(Row.number(readings.posts.percentile(90))) "
                        + "max \(Row.number(readings.posts.largest)) ms",
                ]))
        try report.add(
            Row(
                what: "acknowledged bulk bytes/s on one core ÷ zlib-1", value: readings.intakeRatio.median, unit: "",
                bounds: .init(budget: 0.7, stretch: 2.5, largerIsBetter: true),
                notes: [
                    input + ", sink down, pinned to one core; CPU seconds against CPU seconds",
                    "by wall clock \(Row.number(readings.intakeWallRatio.median)); the POSTs' bytes/s ÷ zlib-1 on the "
                        + "lines \(Row.number(readings.bodyRatio.median)); zlib-1 alone "
                        + "\(Row.number(readings.zlibRate.median)) MB/s",
                    "\(load.bodyBytes) bytes POSTed became \(reference.byteCount) bytes of lines",
                ]))
        try report.add(
            Row(
                what: "intake, CPU per million events", value: readings.intakeSeconds.median, unit: "s", bounds: nil,
                notes: ["user and system time of all threads, \(load.bodyBytes / load.events) bytes an event"]))
        try report.add(
            Row(
                what: "spool files, bytes per event", value: readings.diskBytes.median, unit: "B", bounds: nil,
                notes: ["blocks in use after the intake, write-ahead log included"]))
        try report.add(
            Row(
                what: "drain, CPU, as a share of zlib-1", value: readings.drainShare.median, unit: "",
                bounds: .init(budget: 0.1, stretch: 0.03),
                notes: [
                    "\(load.events) spooled events to a sink in another process, from the opened spool to the exit; "
                        + "wall \(Row.number(readings.drainWall.median)) s",
                    "\(Row.number(readings.drainSeconds.median)) s CPU per million events",
                ]))
    }
}
