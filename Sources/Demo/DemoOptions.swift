import Foundation
import LambdaSimulator

/// What the demo is run with.
struct DemoOptions {
    static let help = """
        permafrost-demo: a story of some dozens of Lambda invocations, and the books afterwards.

        usage: permafrost-demo [--binary PATH] [--quick]

          --binary PATH   the permafrost executable (default: the one beside permafrost-demo)
          --quick         fewer invocations

        OPENSEARCH_URL and PUSHGATEWAY_URL name real servers; without them stand-ins in this process are used.
        Exit status: 0; 1 when the books do not balance; 2 when the story could not be told.

        """

    var binary: String
    var isQuick: Bool
    var wantsHelp: Bool
    var searchURL: String?
    var gatewayURL: String?

    init(_ arguments: [String]) throws {
        let options = try CommandOptions(arguments, valued: ["binary"], flags: ["help", "quick"])
        wantsHelp = options.has("help")
        isQuick = options.has("quick")
        let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
        binary = URL(fileURLWithPath: options.value("binary") ?? own + "/permafrost").standardizedFileURL.path
        let environment = ProcessInfo.processInfo.environment
        searchURL = environment["OPENSEARCH_URL"].flatMap { $0.isEmpty ? nil : $0 }
        gatewayURL = environment["PUSHGATEWAY_URL"].flatMap { $0.isEmpty ? nil : $0 }
        guard wantsHelp || FileManager.default.isExecutableFile(atPath: binary) else {
            throw CommandOptions.Problem(description: "no executable at \(binary); give --binary PATH")
        }
    }
}
