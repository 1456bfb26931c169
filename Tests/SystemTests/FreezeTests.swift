import LambdaSimulator
import Testing

/// A freeze stops the process anywhere; what was in flight then is neither lost, nor sent twice, nor counted against
/// the back end.
@Suite(.together) struct FreezeTests {
    /// Flushes every event at once, without index set-up in front of it.
    private func stage(_ configure: (inout EnvironmentSetup) -> Void = { _ in }) throws -> Stage {
        try Stage { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "1"
            setup.variables["PERMAFROST_INDEX_SETUP"] = "none"
            setup.variables["PERMAFROST_TYPES"] = "function"
            configure(&setup)
        }
    }

    /// Ends the function when its line is on its way to the back end, so that the freeze comes over the request.
    private func invocation(_ stage: Stage) -> Invocation {
        var invocation = Invocation.logging(1)
        let search = stage.search
        invocation.beforeRuntimeDone = {
            let before = search.requestCount
            eventually("the request reaches the back end") { search.requestCount > before || search.requestCount > 0 }
        }
        return invocation
    }

    @Test func `an answer that came during the freeze settles its request`() throws {
        let stage = try stage()
        defer { stage.close() }
        stage.search.faults.set([Fault(.delay(.milliseconds(500)), count: 1)])
        let first = try stage.environment.invoke(invocation(stage))
        #expect(stage.environment.isFrozen)
        stage.environment.idle(.milliseconds(1500))
        stage.environment.run(for: .milliseconds(300))
        let second = try stage.environment.invoke(Invocation())
        #expect(stage.search.documentCount == 1)
        #expect(stage.search.requestCount == 1, "the request was repeated although its answer was there")
        for held in [first.heldNext, second.heldNext].flatMap(\.values) { #expect(held < .milliseconds(100)) }
        #expect(stage.lines(containing: "opensearch_").isEmpty)
        let line = try stage.drainToTheEnd()
        stage.expectBalance(line)
    }

    @Test func `a connection that died during the freeze is repeated at once and is no failure`() throws {
        let stage = try stage()
        defer { stage.close() }
        stage.search.faults.set([Fault(.hang, count: 1)])
        try stage.environment.invoke(invocation(stage))
        #expect(stage.environment.isFrozen)
        stage.search.stopListening()
        try stage.search.startListening()
        stage.environment.idle(.milliseconds(1500))
        let thawed = ContinuousClock.now
        var second = Invocation()
        second.afterwards = .stayWarm
        let held = try stage.environment.invoke(second).heldNext
        eventually("delivered after the thaw", within: .seconds(3)) { stage.search.documentCount == 1 }
        #expect(ContinuousClock.now - thawed < .seconds(1), "a back-off was waited for")
        for held in held.values { #expect(held < .milliseconds(100)) }
        #expect(stage.lines(containing: "opensearch_unreachable").isEmpty)
        let line = try stage.drainToTheEnd()
        stage.expectBalance(line)
    }

    @Test func `a request whose peer vanished in the freeze is repeated after two seconds of thawed time`() throws {
        let stage = try stage()
        defer { stage.close() }
        stage.search.faults.set([Fault(.hang, count: 1)])
        try stage.environment.invoke(invocation(stage))
        stage.environment.idle(.milliseconds(1500))
        let thawed = ContinuousClock.now
        var second = Invocation()
        second.afterwards = .stayWarm
        try stage.environment.invoke(second)
        eventually("the request is repeated", within: .seconds(8)) { stage.search.documentCount == 1 }
        #expect(ContinuousClock.now - thawed > .milliseconds(1500), "it was not left to go on")
        #expect(stage.lines(containing: "opensearch_stalled").isEmpty)
        stage.expectBalance(try stage.drainToTheEnd())
    }

    @Test func `a request that died is given up however short the thaws are`() throws {
        let stage = try stage()
        defer { stage.close() }
        stage.search.faults.set([Fault(.hang, count: 1)])
        try stage.environment.invoke(invocation(stage))
        var printed = 1
        while printed < 25, stage.search.documentCount < printed {
            stage.environment.idle(.milliseconds(1150))
            try stage.environment.invoke(.logging(1, duration: .milliseconds(100)))
            printed += 1
        }
        #expect(stage.search.documentCount > printed / 2, "still waiting after \(printed) invocations")
        stage.expectBalance(try stage.drainToTheEnd())
    }

    @Test func `functions of a millisecond with long freezes in between shrink their backlog before SHUTDOWN`() throws {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "5"
            setup.variables["PERMAFROST_TYPES"] = "function"
        }
        defer { stage.close() }
        stage.search.faults.set([
            Fault(.delay(.milliseconds(60)), path: "/"), Fault(.delay(.milliseconds(60))),
        ])
        var printed = 0
        for _ in 0..<12 {
            try stage.environment.invoke(.logging(10, duration: .milliseconds(1)))
            printed += 10
            stage.environment.idle(.milliseconds(1250))
        }
        // All of it was stored while the function ran for twelve milliseconds in all, and the rest of the time is frozen.
        #expect(stage.search.documentCount > printed / 4, "of \(printed)")
        #expect(stage.lines(containing: "opensearch_").isEmpty)
        stage.expectBalance(try stage.drainToTheEnd())
    }

    @Test func `freezes of a whole fleet of requests count no failure and open no breaker`() throws {
        let stage = try stage { $0.variables["PERMAFROST_LOG_LEVEL"] = "info" }
        defer { stage.close() }
        for round in 0..<5 {
            stage.search.faults.set([Fault(.delay(.milliseconds(150)))])
            try stage.environment.invoke(invocation(stage))
            if round % 2 == 1 {
                stage.search.stopListening()
                try stage.search.startListening()
            }
            stage.environment.idle(.milliseconds(1300))
        }
        stage.search.faults.clear()
        var last = Invocation()
        last.afterwards = .stayWarm
        try stage.environment.invoke(last)
        eventually("everything is stored soon after the last thaw", within: .seconds(4)) {
            stage.search.documentCount == 5
        }
        #expect(stage.lines(containing: "opensearch_unreachable").isEmpty)
        stage.expectBalance(try stage.drainToTheEnd())
    }
}
