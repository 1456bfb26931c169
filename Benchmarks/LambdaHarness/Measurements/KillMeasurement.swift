import Foundation
import LambdaSimulator

/// SIGKILL at random moments under load, a restart on the same spool each time, and a count of what was acknowledged.
struct KillMeasurement {
    let binary: String
    let rounds: Int

    private static let linesPerPost = 25

    func run(_ report: Report) throws {
        let directory = try ScratchDirectory()
        let search = try FakeOpenSearch()
        defer { search.stop() }
        var corpus = Corpus()
        var random = SeededRandom(seed: Corpus.seed)
        var acknowledged: [Int] = []
        var posts = 0
        for _ in 0..<rounds {
            let run = try ExtensionRun(binary, in: directory, sink: search.url)
            let client = try TelemetryClient(port: try run.ready())
            _ = try run.stub.invoke(1)
            let life = Duration.microseconds(Int.random(in: 2_000...60_000, using: &random))
            let killer = Thread { [child = Box(run.child)] in
                pause(life)
                Glibc.kill(child.value.pid, SIGKILL)
            }
            killer.start()
            while true {
                let (body, first) = corpus.lines(Self.linesPerPost)
                posts += 1
                guard client.post(TelemetryClient.request(body)) != nil else { break }
                acknowledged += first..<(first + Self.linesPerPost)
            }
            run.child.wait()
        }
        let last = try ExtensionRun(
            binary, in: directory, sink: search.url, variables: ["PERMAFROST_BATCH_AGE_MS": "10"])
        defer { last.child.kill() }
        _ = try last.ready()
        _ = try last.stub.invoke(1)
        let (missing, doubled) = try audit(search, acknowledged)
        let input =
            "\(rounds) SIGKILLs 2–60 ms after the first next, \(posts) POSTs of \(Self.linesPerPost) lines, "
            + "\(acknowledged.count) lines answered with 200"
        for (what, count) in [
            ("acknowledged events lost over \(rounds) SIGKILLs", missing), ("events stored twice", doubled),
        ] {
            try report.add(
                Row(
                    what: what, value: Double(count), unit: "", bounds: .init(budget: 0, stretch: 0), notes: [input],
                    isCorrectness: true))
        }
    }

    /// Waits until everything has arrived or nothing more does.
    private func audit(_ search: FakeOpenSearch, _ acknowledged: [Int]) throws -> (missing: Int, doubled: Int) {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            let found = search.documents().compactMap { Marker.find(in: $0.source) }
            let distinct = Set(found)
            let missing = acknowledged.count { !distinct.contains($0) }
            if missing == 0 || ContinuousClock.now > deadline { return (missing, found.count - distinct.count) }
            pause(.milliseconds(100))
        }
    }
}

/// Carries the pid's owner to the thread that kills it.
///
/// `@unchecked Sendable`: that thread only reads `pid`, a constant.
private final class Box: @unchecked Sendable {
    let value: ChildProcess

    init(_ value: ChildProcess) {
        self.value = value
    }
}
