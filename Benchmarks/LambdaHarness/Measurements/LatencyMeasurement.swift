import LambdaSimulator

/// POST → 200 with nothing else to do: the sink is down, every acknowledged event is in the spool.
struct LatencyMeasurement {
    let binary: String
    let posts: Int

    func run(_ report: Report) throws {
        var corpus = Corpus()
        let small = (0..<posts).map { TelemetryClient.request(corpus.invocation($0 + 1)) }
        let large = (0..<max(50, posts / 5)).map { _ in TelemetryClient.request(corpus.full().body) }
        try measure(
            report, "POST of 25 events → 200, p99, otherwise idle", "latency.25_events", small, at: 99,
            .init(budget: 2, stretch: 0.7), gap: .milliseconds(2))
        try measure(
            report, "POST of 256 KiB → 200, p50", "latency.256_kib", large, at: 50, .init(budget: 3, stretch: 1),
            gap: .milliseconds(5))
    }

    private func measure(
        _ report: Report, _ what: String, _ name: String, _ requests: [[UInt8]], at percent: Double,
        _ bounds: Row.Bounds, gap: Duration
    ) throws {
        let directory = try ScratchDirectory()
        let run = try ExtensionRun(binary, in: directory, sink: "http://127.0.0.1:\(try Loopback.freePort())")
        defer { run.child.kill() }
        let client = try TelemetryClient(port: try run.ready())
        _ = try run.stub.invoke(1)
        var samples = Samples()
        let cpuBefore = run.child.cpuSeconds
        for request in requests {
            guard let time = client.post(request) else { throw SimulatorError.http("a POST was not answered with 200") }
            samples.add(time.nanosecondsAsMilliseconds)
            pause(gap)
        }
        let cpu = (run.child.cpuSeconds - cpuBefore) * 1000 / Double(max(1, requests.count))
        let size = requests.reduce(0) { $0 + $1.count } / max(1, requests.count)
        let input =
            "\(requests.count) POSTs of \(size) bytes on one connection, \(Row.number(gap.milliseconds)) ms apart, "
            + "sink down"
        try report.keep(name, unit: "ms", input: input, samples)
        try report.add(
            Row(
                what: what, value: samples.percentile(percent), unit: "ms", bounds: bounds,
                notes: [
                    input,
                    "p50 \(Row.number(samples.median)) p90 \(Row.number(samples.percentile(90))) "
                        + "p99 \(Row.number(samples.percentile(99))) max \(Row.number(samples.largest)) ms; "
                        + "CPU time of all threads \(Row.number(cpu)) ms a POST",
                ]))
    }
}
