import Foundation
import LambdaSimulator
import Synchronization
import Testing

/// The binary in a simulated environment between stand-ins of both back ends, and a spool that outlives its processes.
final class Stage {
    static let name = "permafrost"

    /// A stage's processes have a port of their own: what is posted to one that has been killed must reach no other's.
    private static let ports = PortSource()

    let search: FakeOpenSearch
    let gateway: FakePushGateway?
    let books = TelemetryBooks()
    let markers = MarkerSource()
    /// Holds the spool; stays when an environment is replaced.
    let directory: String
    private(set) var environment: ExecutionEnvironment
    private let setup: EnvironmentSetup
    private var earlierLines: [ExtensionLine] = []

    /// - Parameter configure: changes what is common to all environments of this stage.
    init(
        binary: String = Binary.permafrost, gateway: Bool = false, search options: FakeOpenSearch.Options = .init(),
        searchAddress: String = "127.0.0.1",
        _ configure: (inout EnvironmentSetup) -> Void = { _ in }
    ) throws {
        search = try FakeOpenSearch(address: searchAddress, options: options)
        self.gateway = gateway ? try FakePushGateway() : nil
        directory = try TemporaryDirectory.make("stage")
        var setup = EnvironmentSetup(extensions: [binary])
        setup.variables["PERMAFROST_OPENSEARCH_URL"] = search.url
        if let gateway = self.gateway { setup.variables["PERMAFROST_PUSHGATEWAY_URL"] = gateway.url }
        setup.variables["PERMAFROST_SPOOL_DIR"] = directory + "/permafrost"
        setup.variables["PERMAFROST_PORT"] = String(Self.ports.next())
        setup.publisher.overflow = .block
        for name in Binary.sanitizerOptions { setup.variables[name] = Binary.environment(name) }
        configure(&setup)
        self.setup = setup
        environment = try ExecutionEnvironment(setup, markers: markers, books: books)
    }

    deinit {
        close()
    }

    func close() {
        environment.close()
        search.stop()
        gateway?.stop()
        TemporaryDirectory.remove(directory)
    }

    // MARK: Environments

    /// A new environment over the same spool, started. What ran before is killed.
    @discardableResult
    func restart(_ configure: (inout EnvironmentSetup) -> Void = { _ in }) throws -> InitOutcome {
        try replaceEnvironment(configure)
        return try environment.start()
    }

    func replaceEnvironment(_ configure: (inout EnvironmentSetup) -> Void = { _ in }) throws {
        retire()
        var next = setup
        configure(&next)
        environment = try ExecutionEnvironment(next, markers: markers, books: books)
    }

    private func retire() {
        let retired = environment
        for process in retired.processes { process.kill() }
        earlierLines += retired.lines(Self.name)
        retired.close()
    }

    /// Hands over an INVOKE, which opens the way to the back ends, and waits for the next `next`, or an end.
    func sendInvoke() {
        environment.runtimeAPI.sendInvoke(
            requestID: UUID().uuidString.lowercased(), deadlineMs: WallClock.nowMs() + 30_000,
            functionARN: setup.functionARN, traceHeader: nil)
        let process = self.process
        _ = environment.runtimeAPI.wait(timeout: .seconds(5)) { agents in
            process?.isRunning != true || agents.allSatisfy(\.isIdle) ? true : nil
        }
    }

    var process: ExtensionProcess? { environment.process(Self.name) }

    /// The listener's port, as subscribed.
    func port() throws -> UInt16 {
        try #require(environment.runtimeAPI.agent(named: Self.name)?.subscription?.port)
    }

    /// Everything printed on this stage so far.
    var lines: [ExtensionLine] { earlierLines + environment.lines(Self.name) }

    func lines(containing text: String) -> [String] { lines.map(\.text).filter { $0.contains(text) } }

    var database: String { directory + "/permafrost/spool.db" }

    // MARK: Ends

    /// SHUTDOWN and the closing line.
    @discardableResult
    func shutdown(_ reason: ShutdownReason = .spindown) throws -> (outcome: ShutdownOutcome, books: ClosingLine) {
        let outcome = environment.shutdown(reason)
        let line = ClosingLine.last(in: outcome.lines[Self.name] ?? [])
        return (outcome, try #require(line, "no closing line: \(outcome)"))
    }

    /// SHUTDOWN, and new environments as long as something is left.
    func drainToTheEnd() throws -> ClosingLine {
        var end = try shutdown()
        for _ in 0..<10 where end.books.count("spooled") != 0 {
            try restart()
            sendInvoke()
            waitForQuiet()
            end = try shutdown()
        }
        return end.books
    }

    /// Until the back end has had nothing to do for a while: the stand-in, in a debug build, may need seconds for a request.
    func waitForQuiet() {
        let deadline = ContinuousClock.now + .seconds(60)
        func state() -> [Int] { [search.requestCount, search.documentCount] }
        var seen = state()
        var since = ContinuousClock.now
        while ContinuousClock.now < deadline, ContinuousClock.now - since < .seconds(3) {
            pause(.milliseconds(20))
            let now = state()
            if now != seen { (seen, since) = (now, .now) }
        }
    }

    /// What the simulator's publisher got a 200 for against what was stored.
    var audit: Audit { Auditor.audit(books, against: search) }

    /// Everything acknowledged is stored once, and the closing line says so.
    func expectBalance(_ line: ClosingLine, sourceLocation: SourceLocation = #_sourceLocation) {
        let audit = audit
        #expect(audit.isBalanced, "\(audit)", sourceLocation: sourceLocation)
        #expect(line.isBalanced, "\(line.fields)", sourceLocation: sourceLocation)
    }
}

/// Ports below those that the kernel hands out by itself.
private final class PortSource: Sendable {
    private static let range = 10_000..<30_000
    private let last = Atomic<Int>(Int(getpid()) * 97)

    func next() -> Int {
        let number = last.add(1, ordering: .relaxed).newValue
        return Self.range.lowerBound + number % Self.range.count
    }
}

extension Invocation {
    /// Not frozen afterwards.
    static func warm(_ lines: Int = 0) -> Invocation {
        var invocation = Invocation.logging(lines)
        invocation.afterwards = .stayWarm
        return invocation
    }
}

extension Duration {
    static func max(_ durations: some Sequence<Duration>) -> Duration { durations.max() ?? .zero }
}

extension Array where Element: Comparable {
    /// Nearest rank, `q` in 0…1; nil for an empty array.
    func quantile(_ q: Double) -> Element? {
        guard !isEmpty else { return nil }
        return sorted()[Swift.min(count - 1, Swift.max(0, Int((q * Double(count)).rounded(.up)) - 1))]
    }
}
