import Foundation
import LambdaSimulator

/// What the harness is run with.
struct HarnessOptions {
    static let help = """
        LambdaHarness: measures the permafrost executable as a process, budgets beside their references in one run.

        usage: LambdaHarness [--binary PATH] [--zip PATH] [--output FILE] [--quick] [--only NAME]

          --binary PATH   the static executable (default: $PERMAFROST_BINARY, then .build/layer/permafrost)
          --zip PATH      the layer's zip (default: permafrost-layer-*.zip beside the executable, when there is one)
          --output FILE   raw samples as JSON lines (default: .build/benchmarks/DATE.jsonl)
          --quick         fewer rounds; less than 40 s
          --only NAME     one of start, latency, held, kills, throughput (with the drain)

        Exit status: 0; 1 when an acknowledged event was lost or doubled or `next` was held; 2 when a measurement could
        not be made. A missed time or memory budget is printed as MISSED and does not change it.

        """

    var binary: String
    var zip: String?
    var output: String
    var isQuick: Bool
    var wantsHelp: Bool
    var only: String?

    init(_ arguments: [String]) throws {
        let options = try CommandOptions(
            arguments, valued: ["binary", "zip", "output", "only"], flags: ["help", "quick"])
        guard let operand = options.operands.first else {
            wantsHelp = options.has("help")
            isQuick = options.has("quick")
            only = options.value("only")
            let binary =
                options.value("binary") ?? ProcessInfo.processInfo.environment["PERMAFROST_BINARY"]
                ?? ".build/layer/permafrost"
            self.binary = URL(fileURLWithPath: binary).standardizedFileURL.path
            zip = try options.value("zip") ?? Self.zip(beside: self.binary)
            output = options.value("output") ?? ".build/benchmarks/\(Self.date()).jsonl"
            guard wantsHelp || FileManager.default.isExecutableFile(atPath: self.binary) else {
                throw CommandOptions.Problem(description: "no executable at \(self.binary); give --binary PATH")
            }
            return
        }
        throw CommandOptions.Problem(description: "unknown argument \(operand)")
    }

    private static func zip(beside binary: String) throws -> String? {
        let folder = URL(fileURLWithPath: binary).deletingLastPathComponent().path
        return try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            .first { $0.hasPrefix("permafrost-layer-") && $0.hasSuffix(".zip") }.map { folder + "/" + $0 }
    }

    private static func date() -> String {
        WallClock.iso8601(ms: WallClock.nowMs()).prefix(19).replacingOccurrences(of: ":", with: "")
    }
}
