import Foundation
import LambdaSimulator

/// From INVOKE written to the following `next` read, while a flush hangs in a sink that accepts and never answers;
/// beside it the same invocations without a back end, which is the round trip itself.
struct HeldMeasurement {
    let binary: String
    let invocations: Int

    /// The scheduler of a loaded machine takes some milliseconds; waiting for a sink would take hundreds.
    private static let tolerance = 20.0

    func run(_ report: Report) throws {
        let hanging = try Loopback.listen()
        defer { close(hanging.descriptor) }
        let input = "\(invocations) invocations with a POST of 25 events each, a flush due from the first on"
        let held = try measure(sink: "http://127.0.0.1:\(hanging.port)")
        let alone = try measure(sink: nil)
        try report.keep("held.hanging_sink", unit: "ms", input: input, held)
        try report.keep("held.no_sink", unit: "ms", input: input, alone)
        let added = max(0, held.percentile(99) - alone.percentile(99))
        try report.add(
            Row(
                what: "next held, default mode, sink hanging", value: held.percentile(99) > Self.tolerance ? added : 0,
                unit: "ms", bounds: .init(budget: 0, stretch: 0),
                notes: [
                    input,
                    "INVOKE → next p50 \(Row.number(held.median)) p99 \(Row.number(held.percentile(99))) ms; without a "
                        + "back end p50 \(Row.number(alone.median)) p99 \(Row.number(alone.percentile(99))) ms; "
                        + "a p99 above \(Row.number(Self.tolerance)) ms counts as held",
                ], isCorrectness: true))
    }

    private func measure(sink: String?) throws -> Samples {
        let directory = try ScratchDirectory()
        let run = try ExtensionRun(binary, in: directory, sink: sink, variables: ["PERMAFROST_BATCH_EVENTS": "25"])
        defer { run.child.kill() }
        let client = try TelemetryClient(port: try run.ready())
        var corpus = Corpus()
        var samples = Samples()
        for number in 1...invocations {
            guard client.post(TelemetryClient.request(corpus.invocation(number))) != nil else {
                throw SimulatorError.http("a POST was not answered with 200")
            }
            samples.add(try run.stub.invoke(number))
        }
        return samples
    }
}
