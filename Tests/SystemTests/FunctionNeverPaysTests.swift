import LambdaSimulator
import Testing

/// Invariant: the function never pays for us. `next` is not held, nobody is contacted before the first `next`, and
/// nothing but a refused register ends the process.
@Suite(.alone, .serialized) struct FunctionNeverPaysTests {
    enum Fate: String, CaseIterable, Sendable { case works, hangs, refuses, fails, isABlackHole }

    /// From INVOKE to our `next`, p99 of 120. What other programs do to this machine is kept out by the best of three.
    @Test(arguments: Fate.allCases) func `next is never held when the back end`(_ fate: Fate) throws {
        let hole = try BlackHole()
        let stage = try Stage(gateway: true) { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "5"
            setup.variables["PERMAFROST_METRIC_PUSH_MS"] = "0"
            if fate == .isABlackHole {
                setup.variables["PERMAFROST_OPENSEARCH_URL"] = hole.url
                setup.variables["PERMAFROST_PUSHGATEWAY_URL"] = hole.url
            }
        }
        defer { stage.close() }
        switch fate {
        case .works, .isABlackHole: break
        case .hangs:
            stage.search.faults.set([Fault(.hang, path: "/")])
            stage.gateway?.faults.set([Fault(.hang, path: "/")])
        case .refuses:
            stage.search.stopListening()
            stage.gateway?.stopListening()
        case .fails:
            stage.search.faults.set([Fault(.status(503), path: "/")])
            stage.gateway?.faults.set([Fault(.status(503), path: "/")])
        }
        try stage.environment.invoke(.logging(10))
        var best = Duration.seconds(1)
        for _ in 0..<3 where best >= .milliseconds(20) {
            var held: [Duration] = []
            for _ in 0..<120 {
                held += try stage.environment.invoke(.logging(5, duration: .milliseconds(1))).heldNext.values
            }
            #expect(held.count == 120)
            best = min(best, held.quantile(0.99) ?? .seconds(1))
        }
        #expect(best < .milliseconds(20))
        #expect(stage.process?.isRunning == true)
    }

    @Test func `nothing contacts a back end before the first next, whatever a predecessor left`() throws {
        let stage = try Stage(gateway: true) { $0.variables["PERMAFROST_BATCH_EVENTS"] = "1" }
        defer { stage.close() }
        stage.search.stopListening()
        try stage.environment.invoke(.logging(100))
        #expect(stage.environment.deliverTelemetry())
        stage.process?.kill()
        let acknowledged = stage.books.acknowledgedCount
        try #require(acknowledged > 0)
        try stage.search.startListening()
        try stage.restart { $0.runtimeAPI.registerFailures = 1 }
        let firstNext = try #require(stage.environment.runtimeAPI.agent(named: Stage.name)?.firstNextAt)
        stage.sendInvoke()
        eventually("the backlog drains afterwards", within: .seconds(40)) { stage.search.documentCount >= acknowledged }
        #expect(stage.search.requests.allSatisfy { $0.receivedAt > firstNext })
    }

    @Test func `an environment that is never invoked contacts nobody before SHUTDOWN, and drains then`() throws {
        let stage = try Stage { $0.variables["PERMAFROST_BATCH_EVENTS"] = "1" }
        defer { stage.close() }
        stage.search.stopListening()
        try stage.environment.invoke(.logging(100))
        #expect(stage.environment.deliverTelemetry())
        stage.process?.kill()
        try stage.search.startListening()
        try stage.restart()
        stage.environment.run(for: .milliseconds(500))
        #expect(stage.search.requestCount == 0)
        let line = try stage.shutdown().books
        #expect(stage.search.requestCount > 0)
        stage.expectBalance(line)
    }

    @Test func `PERMAFROST_HOLD_MS holds next while a due flush is under way, and no longer than that`() throws {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "20"
            setup.variables["PERMAFROST_TYPES"] = "platform,function"
            setup.variables["PERMAFROST_INDEX_SETUP"] = "none"
            setup.variables["PERMAFROST_HOLD_MS"] = "1500"
        }
        defer { stage.close() }
        stage.search.faults.set([Fault(.delay(.milliseconds(300)))])
        let flushed = try stage.environment.invoke(.logging(30, duration: .milliseconds(5)))
        let held = try #require(flushed.heldNext[Stage.name])
        #expect(held > .milliseconds(250))
        #expect(held < .milliseconds(1700))
        #expect(stage.search.documentCount >= 20, "what was waited for is not there")
        stage.search.faults.clear()
        stage.environment.thaw()
        #expect(stage.environment.deliverTelemetry())
        stage.waitForQuiet()
        let idle = try stage.environment.invoke(.logging(2, duration: .milliseconds(1)))
        #expect(try #require(idle.heldNext[Stage.name]) < .milliseconds(500), "held without a due flush")
    }

    @Test func `PERMAFROST_HOLD_MS is an upper bound when the back end hangs`() throws {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "5"
            setup.variables["PERMAFROST_HOLD_MS"] = "300"
        }
        defer { stage.close() }
        stage.search.faults.set([Fault(.hang, path: "/")])
        let held = try #require(try stage.environment.invoke(.logging(30)).heldNext[Stage.name])
        #expect(held > .milliseconds(200))
        #expect(held < .milliseconds(600))
    }

    @Test func `PERMAFROST_HOLD_MS holds nothing when there is no spool`() throws {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_SPOOL_DIR"] = "/proc/permafrost"
            setup.variables["PERMAFROST_HOLD_MS"] = "2000"
        }
        defer { stage.close() }
        for _ in 0..<3 {
            let held = try #require(try stage.environment.invoke(.logging(3)).heldNext[Stage.name])
            #expect(held < .milliseconds(250))
        }
    }

    @Test func `PERMAFROST_HOLD_MS never holds into the last half second before the function's deadline`() throws {
        let stage = try Stage { setup in
            setup.timeout = .milliseconds(1500)
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "5"
            setup.variables["PERMAFROST_HOLD_MS"] = "60000"
        }
        defer { stage.close() }
        stage.search.faults.set([Fault(.hang, path: "/")])
        let outcome = try stage.environment.invoke(.logging(30))
        #expect(outcome.status == .success)
        let held = try #require(outcome.heldNext[Stage.name])
        #expect(held > .milliseconds(500))
        #expect(held < .milliseconds(1200))
    }

    @Test func `a next that fails is retried for ever`() throws {
        let stage = try Stage { $0.runtimeAPI.nextFailures = 2 }
        defer { stage.close() }
        try stage.environment.start()
        try stage.environment.invoke(.logging(3))
        stage.environment.runtimeAPI.changeOptions { $0.nextFailures = 3 }
        #expect(try stage.environment.invoke(.logging(3)).status == .success)
        #expect(try stage.environment.invoke(.logging(3)).crashed.isEmpty)
        #expect(stage.process?.isRunning == true)
        stage.expectBalance(try stage.drainToTheEnd())
    }

    @Test func `a register that is refused ends the process with one line`() throws {
        let stage = try Stage { $0.runtimeAPI.registerRefusal = "Extension.InvalidExtensionName" }
        defer { stage.close() }
        #expect(throws: SimulatorError.self) { try stage.environment.start() }
        let exit = try #require(stage.process?.waitForExit(timeout: .seconds(5)))
        #expect(exit.code != 0 && exit.signal == nil)
        eventually("its line is read") { !stage.lines.isEmpty }
        #expect(stage.lines.count == 1, "\(stage.lines.map(\.text))")
        #expect(stage.lines.first?.text.contains("Extension.InvalidExtensionName") == true)
    }
}
