import Foundation
import LambdaSimulator

/// Runs the measurements one after the other.
struct Harness {
    let options: HarnessOptions

    init(_ options: HarnessOptions) {
        self.options = options
    }

    /// True when no correctness figure failed.
    func run() throws -> Bool {
        let conditions = Conditions(options)
        let report = try Report(output: options.output, conditions: conditions)
        print(conditions.text)
        let quick = options.isQuick
        let binary = options.binary
        let measurements: [(name: String, run: () throws -> Void)] = [
            ("start", { try StartMeasurement(binary: binary, pairs: quick ? 15 : 60).run(report) }),
            ("latency", { try LatencyMeasurement(binary: binary, posts: quick ? 300 : 1000).run(report) }),
            ("held", { try HeldMeasurement(binary: binary, invocations: quick ? 100 : 200).run(report) }),
            ("kills", { try KillMeasurement(binary: binary, rounds: quick ? 10 : 20).run(report) }),
            ("throughput", { try ThroughputMeasurement(binary: binary, rounds: quick ? 2 : 5).run(report) }),
        ]
        for (name, run) in measurements where options.only == nil || options.only == name {
            FileHandle.standardError.write(Data("measuring \(name)\n".utf8))
            try run()
        }
        try addZip(to: report)
        print(report.table, terminator: "")
        print("raw samples: \(options.output)")
        return report.isCorrect
    }

    private func addZip(to report: Report) throws {
        guard let zip = options.zip else { return }
        let size = try FileManager.default.attributesOfItem(atPath: zip)[.size] as? Int ?? 0
        try report.add(
            Row(
                what: "layer zip", value: Double(size) / 1e6, unit: "MB", bounds: .init(budget: 6.2, stretch: 4),
                notes: [zip]))
    }
}
