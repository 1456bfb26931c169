import Foundation
import LambdaSimulator
import Testing

/// Invariant: the budget at SHUTDOWN is the event's, and is kept whatever the back end, the resolver, or the clock does.
@Suite(.alone, .serialized) struct DeadlineIsTheEventsTests {
    private func stage(_ configure: (inout EnvironmentSetup) -> Void = { _ in }) throws -> Stage {
        try Stage { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "1000"
            configure(&setup)
        }
    }

    /// SHUTDOWN with a backlog: exit 0 in time, the rest stated, and delivered by the next process.
    private func expectInTime(_ stage: Stage, leaves: Bool, within limit: Duration = .milliseconds(2000)) throws {
        let end = try stage.shutdown()
        #expect(end.outcome.ends[Stage.name] == .exited(0))
        #expect(end.outcome.duration < limit, "\(end.outcome.duration)")
        #expect(end.books.isBalanced, "\(end.books.fields)")
        #expect(((end.books.count("spooled") ?? 0) > 0) == leaves, "\(end.books.fields)")
    }

    private func expectDelivered(_ stage: Stage) throws {
        stage.search.faults.clear()
        try stage.search.startListening()
        try stage.restart { $0.variables["PERMAFROST_OPENSEARCH_URL"] = stage.search.url }
        stage.sendInvoke()
        stage.expectBalance(try stage.drainToTheEnd())
    }

    @Test(arguments: [5, 20, 40]) func `the last report arrives after SHUTDOWN and is stored and pushed`(
        _ delay: Int
    ) throws {
        let stage = try Stage(gateway: true) { $0.lastReportDelay = .milliseconds(delay) }
        defer { stage.close() }
        var requests: [String] = []
        for _ in 0..<3 { requests.append(try stage.environment.invoke(.logging(4)).requestID) }
        let end = try stage.shutdown()
        #expect(end.outcome.ends[Stage.name] == .exited(0))
        let reports = stage.search.documents().compactMap { try? StrictJSON.parse($0.source) }
            .filter { $0["type"]?.text == "platform.report" }.compactMap { $0["record", "requestId"]?.text }
        #expect(Set(reports) == Set(requests))
        let summary = stage.gateway?.families["permafrost_invocation_duration_seconds"]?.metrics.first?.value
        guard case .distribution(_, _, let count) = summary else {
            Issue.record("no Summary among \(stage.gateway?.families.keys.sorted() ?? [])")
            return
        }
        #expect(count == 3)
        stage.expectBalance(end.books)
        #expect(end.books.count("spooled") == 0)
    }

    enum Fate: String, CaseIterable, Sendable { case hangs, answersHalf, refuses, closes, isABlackHole, stalls }

    @Test(arguments: Fate.allCases) func `the process is gone before the deadline when the back end`(
        _ fate: Fate
    ) throws {
        let hole = try BlackHole()
        let stage = try stage { setup in
            if fate == .isABlackHole { setup.variables["PERMAFROST_OPENSEARCH_URL"] = hole.url }
        }
        defer { stage.close() }
        try stage.environment.invoke(.logging(50))
        switch fate {
        case .hangs: stage.search.faults.set([Fault(.hang)])
        case .answersHalf: stage.search.faults.set([Fault(.halfAnswerThenHang)])
        case .refuses: stage.search.stopListening()
        case .closes: stage.search.faults.set([Fault(.closeWithoutAnswer)])
        case .isABlackHole: break
        case .stalls: stage.search.faults.set([Fault(.stall(.seconds(3)), path: "/", count: 1)])
        }
        try expectInTime(stage, leaves: fate != .answersHalf || stage.search.documentCount == 0)
        hole.close()
        try expectDelivered(stage)
    }

    @Test(arguments: [-3600, -11, 11, 3600]) func `a stale wall clock does not change the budget`(_ seconds: Int) throws
    {
        let stage = try stage { $0.shutdownDeadlineOffset = .seconds(seconds) }
        defer { stage.close() }
        try stage.environment.invoke(.logging(50))
        stage.search.faults.set([Fault(.hang)])
        let end = try stage.shutdown()
        #expect(end.outcome.ends[Stage.name] == .exited(0))
        #expect(end.outcome.duration < .seconds(2))
        #expect(end.outcome.duration > .milliseconds(1500), "the time that was there was not used")
        try expectDelivered(stage)
    }

    @Test(.enabled(if: Starvation.isAvailable, Starvation.reason), arguments: [false, true])
    func `a starved CPU does not make the process late`(hangs: Bool) throws {
        let stage = try stage()
        defer { stage.close() }
        try stage.environment.invoke(.warm(400))
        #expect(stage.environment.deliverTelemetry())
        stage.search.faults.set([Fault(hangs ? .hang : .delay(.milliseconds(100)))])
        let starvation = try Starvation(of: try #require(stage.process?.pid))
        defer { starvation.end() }
        let end = try stage.shutdown()
        #expect(end.outcome.ends[Stage.name] == .exited(0))
        #expect(end.outcome.duration < .milliseconds(2000), "\(end.outcome.duration)")
        #expect(end.books.isBalanced, "\(end.books.fields)")
        if hangs { #expect((end.books.count("spooled") ?? 0) > 0, "\(end.books.fields)") }
        starvation.end()
        try expectDelivered(stage)
    }

    @Test func `a deadline that is nearer than two seconds is kept`() throws {
        let stage = try stage { setup in
            setup.shutdownLimit = .milliseconds(900)
        }
        defer { stage.close() }
        try stage.environment.invoke(.logging(50))
        stage.search.faults.set([Fault(.hang)])
        try expectInTime(stage, leaves: true, within: .milliseconds(900))
        try expectDelivered(stage)
    }

    enum Dead: String, CaseIterable, Sendable { case refuses, hangs, failing }

    @Test(arguments: Dead.allCases) func `a back end that is known to be dead gets one probe, not two seconds`(
        _ dead: Dead
    ) throws {
        let stage = try stage { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "1"
            setup.variables["PERMAFROST_INDEX_SETUP"] = "none"
        }
        defer { stage.close() }
        stage.search.faults.set([Fault(.status(503))])
        let warm = Invocation.warm(20)
        try stage.environment.invoke(warm)
        eventually("five failures in a row open the breaker", within: .seconds(30)) { stage.search.requestCount >= 5 }
        switch dead {
        case .refuses: stage.search.stopListening()
        case .hangs: stage.search.faults.set([Fault(.hang)])
        case .failing: break
        }
        try expectInTime(stage, leaves: true, within: .milliseconds(800))
        try expectDelivered(stage)
    }

    @Test(.enabled(if: DeafResolver.isAvailable, "needs the right to mount over /etc/resolv.conf and to bind port 53"))
    func `the process is gone before the deadline when the resolver hangs`() throws {
        let resolver = try DeafResolver(binary: Binary.permafrost)
        defer { resolver.close() }
        let stage = try Stage(binary: resolver.wrapper) { setup in
            setup.variables["PERMAFROST_OPENSEARCH_URL"] = "http://search.permafrost.test:9200"
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "10"
        }
        defer { stage.close() }
        let outcome = try stage.environment.invoke(.logging(50))
        #expect(Duration.max(outcome.heldNext.values) < .milliseconds(200))
        stage.environment.thaw()
        eventually("the name is asked for") { resolver.wasAsked }
        try expectInTime(stage, leaves: true)
        try stage.restart { setup in
            setup.extensions = [Binary.permafrost]
            setup.variables["PERMAFROST_OPENSEARCH_URL"] = stage.search.url
        }
        stage.sendInvoke()
        stage.expectBalance(try stage.drainToTheEnd())
    }

    @Test(.enabled(if: HostsFile.isAvailable, "needs the right to mount over /etc/hosts"))
    func `the dead one of two addresses leaves time for the other`() throws {
        // The resolver puts 127.0.0.1 first.
        let hosts = try HostsFile("127.0.0.1 search.permafrost.test\n127.0.0.2 search.permafrost.test\n")
        let stage = try Stage(binary: hosts.wrapper, searchAddress: "127.0.0.2") { setup in
            let url = setup.variables["PERMAFROST_OPENSEARCH_URL"]
            setup.variables["PERMAFROST_OPENSEARCH_URL"] = url?.replacing("127.0.0.2", with: "search.permafrost.test")
        }
        defer { stage.close() }
        let hole = try BlackHole(port: stage.search.port)
        defer { hole.close() }
        try stage.environment.invoke(.logging(50))
        #expect(stage.environment.deliverTelemetry())
        #expect(stage.search.requestCount == 0, "something was sent before SHUTDOWN")
        let end = try stage.shutdown()
        #expect(end.outcome.duration < .seconds(2))
        #expect(end.books.count("spooled") == 0)
        stage.expectBalance(end.books)
    }

    @Test func `a large backlog is drained as far as the time allows, failures first`() throws {
        let stage = try stage { $0.variables["PERMAFROST_TYPES"] = "platform,function" }
        defer { stage.close() }
        stage.search.faults.set([Fault(.status(503))])
        try stage.environment.invoke(.logging(4000, bytes: 400, duration: .milliseconds(200)))
        var failing = Invocation.logging(5)
        failing.ending = .functionError("Order.NotFound")
        let failed = try stage.environment.invoke(failing)
        #expect(stage.environment.deliverTelemetry())
        stage.search.faults.set([Fault(.delay(.milliseconds(100)))])
        let end = try stage.shutdown()
        #expect(end.outcome.ends[Stage.name] == .exited(0))
        #expect(end.outcome.duration < .seconds(2))
        #expect(end.books.isBalanced, "\(end.books.fields)")
        let stored = stage.search.documents().compactMap { try? StrictJSON.parse($0.source) }
        #expect(
            stored.contains {
                $0["type"]?.text == "platform.runtimeDone" && $0["record", "requestId"]?.text == failed.requestID
            }, "the failure is not among the \(stored.count) that were sent")
        try expectDelivered(stage)
    }
}
