import Foundation
import LambdaSimulator

/// Runs the extensions of a directory through some invocations and prints what the platform saw.
enum SimulatorTool {
    static let help = """
        lambda-simulator: runs Lambda extensions on this machine, in any language.

        usage: lambda-simulator --extensions DIR [options]

          --extensions DIR         every file directly in it is started, as in /opt/extensions
          --function NAME          function name (checkout-worker)
          --invocations N          how many (10)
          --duration-ms N          how long each runs (20)
          --logs-per-invocation N  lines the function prints (5)
          --line-bytes N           bytes of a line (100)
          --format text|json       Lambda's log format (text)
          --timeout-ms N           the function's timeout (3000)
          --idle-ms N              wall-clock time frozen between invocations (0)
          --memory MB              AWS_LAMBDA_FUNCTION_MEMORY_SIZE (512)
          --env NAME=VALUE,...     variables of the function
          --opensearch-port N      serve an OpenSearch stand-in on this port (0: any)
          --pushgateway-port N     serve a PushGateway stand-in on this port (0: any)
          --crash-every N          SIGKILL the extensions after every N-th invocation
          --timeout-every N        let every N-th invocation time out
          --managed-instances      Managed Instances: SHUTDOWN only, invocations interleave
          --private-tmp            a mount namespace with its own /tmp (needs root)
          --show-lines             print what the extensions print

        With a stand-in its URL is given to the extensions as PERMAFROST_OPENSEARCH_URL or PERMAFROST_PUSHGATEWAY_URL.
        Exit status: 0; 1 when an extension failed, or events that it acknowledged are missing from, or twice in, the
        OpenSearch stand-in; 2 for a usage error.

        """

    private static let valued: Set<String> = [
        "extensions", "function", "invocations", "duration-ms", "logs-per-invocation", "line-bytes", "format",
        "timeout-ms", "idle-ms", "memory", "env", "opensearch-port", "pushgateway-port", "crash-every",
        "timeout-every",
    ]
    private static let flags: Set<String> = ["help", "managed-instances", "private-tmp", "show-lines"]

    static func run(_ arguments: [String]) throws -> Int32 {
        let options = try CommandOptions(arguments, valued: valued, flags: flags)
        guard !options.has("help"), let directory = options.value("extensions") else {
            print(help)
            return options.has("help") ? 0 : 2
        }
        var setup = EnvironmentSetup(extensions: try ExtensionFolder.executables(in: directory))
        try configure(&setup, options)
        let search = try options.value("opensearch-port").map { _ in
            try FakeOpenSearch(port: UInt16(clamping: try options.int("opensearch-port", default: 0)))
        }
        let gateway = try options.value("pushgateway-port").map { _ in
            try FakePushGateway(port: UInt16(clamping: try options.int("pushgateway-port", default: 0)))
        }
        if let search { setup.variables["PERMAFROST_OPENSEARCH_URL"] = search.url }
        if let gateway { setup.variables["PERMAFROST_PUSHGATEWAY_URL"] = gateway.url }
        let environment = try ExecutionEnvironment(setup)
        defer { environment.close() }
        let hasFailed = try drive(environment, options)
        if options.has("show-lines") { printLines(environment) }
        return report(environment, search, gateway) && !hasFailed ? 0 : 1
    }

    private static func configure(_ setup: inout EnvironmentSetup, _ options: CommandOptions) throws {
        setup.functionName = options.value("function") ?? setup.functionName
        setup.logFormat = options.value("format") == "json" ? .json : .text
        setup.timeout = .milliseconds(try options.int("timeout-ms", default: 3000))
        setup.memorySizeMB = try options.int("memory", default: 512)
        setup.mountsPrivateTmp = options.has("private-tmp")
        if options.has("managed-instances") { setup.initializationType = .managedInstances }
        for pair in (options.value("env") ?? "").split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            setup.variables[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
        }
    }

    /// True when an extension died, or was still there at the SHUTDOWN deadline.
    private static func drive(_ environment: ExecutionEnvironment, _ options: CommandOptions) throws -> Bool {
        let started = try environment.start()
        for one in started.extensions {
            let first = one.firstNext.map { String(format: "%.1f ms", $0.milliseconds) } ?? "never"
            print("init       \(one.name): exec to first next \(first)")
        }
        let count = try options.int("invocations", default: 10)
        let crashEvery = try options.int("crash-every", default: 0)
        let timeoutEvery = try options.int("timeout-every", default: 0)
        var invocation = Invocation.logging(
            try options.int("logs-per-invocation", default: 5), bytes: try options.int("line-bytes", default: 100),
            duration: .milliseconds(try options.int("duration-ms", default: 20)))
        var hasFailed = false
        for number in stride(from: 1, through: count, by: 1) {
            invocation.ending = timeoutEvery > 0 && number % timeoutEvery == 0 ? .hang : .success
            let outcome = try environment.invoke(invocation)
            let overhead = String(format: "%.1f", outcome.extensionOverhead.milliseconds)
            var line = "invoke \(number)   \(outcome.status.rawValue), extensions held it \(overhead) ms"
            if outcome.wasStarted { line += ", after a start" }
            if !outcome.crashed.isEmpty { line += ", crashed: \(outcome.crashed.joined(separator: " "))" }
            print(line)
            hasFailed = hasFailed || !outcome.crashed.isEmpty
            if crashEvery > 0, number % crashEvery == 0 {
                for process in environment.processes { environment.kill(process.name) }
                print("kill       SIGKILL to the extensions")
            }
            environment.idle(.milliseconds(try options.int("idle-ms", default: 0)))
        }
        if environment.processes.contains(where: { !$0.isRunning }) || environment.processes.isEmpty {
            try environment.start()
        }
        let end = environment.shutdown()
        for (name, how) in end.ends.sorted(by: { $0.key < $1.key }) {
            print("shutdown   \(name): \(how) after " + String(format: "%.0f ms", end.duration.milliseconds))
            if how == .killed { hasFailed = true }
        }
        return hasFailed
    }

    private static func printLines(_ environment: ExecutionEnvironment) {
        for path in environment.setup.extensions {
            let name = String(path.split(separator: "/").last ?? "")
            for line in environment.lines(name) { print("line       \(name): \(line.text)") }
        }
    }

    /// True when the books agree with the stand-in.
    private static func report(
        _ environment: ExecutionEnvironment, _ search: FakeOpenSearch?, _ gateway: FakePushGateway?
    ) -> Bool {
        let books = environment.books.snapshot
        print("telemetry  offered=\(books.offered.count) acknowledged=\(books.acknowledged.count)")
        print("           posts=\(books.posts) redeliveries=\(books.redeliveries) dropped=\(books.dropped.count)")
        if let median = books.latency(0.5), let high = books.latency(0.99) {
            print(String(format: "           POST to 200: p50 %.2f ms, p99 %.2f ms", median * 1000, high * 1000))
        }
        if let gateway {
            print("gateway    groups=\(gateway.groupLabels.count) families=\(gateway.families.count)")
        }
        guard let search else { return true }
        for (index, count) in search.counts.sorted(by: { $0.key < $1.key }) { print("index      \(index): \(count)") }
        let audit = Auditor.audit(environment.books, against: search)
        print("audit      \(audit)")
        return audit.isBalanced
    }
}
