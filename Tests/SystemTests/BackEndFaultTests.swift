import LambdaSimulator
import Testing

/// Invariant: the books balance. Whatever the back end answers, nothing is lost and nothing is stored twice.
@Suite(.together) struct BackEndFaultTests {
    private func stage(_ configure: (inout EnvironmentSetup) -> Void = { _ in }) throws -> Stage {
        try Stage { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "15"
            configure(&setup)
        }
    }

    /// Some invocations under the fault, then none: everything is stored before SHUTDOWN.
    private func expectHealing(
        _ stage: Stage, _ faults: [Fault], limit: Duration = .seconds(40),
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        stage.search.faults.set(faults)
        var markers: [String] = []
        for _ in 0..<4 {
            let invocation = Invocation.warm(10)
            markers += try stage.environment.invoke(invocation).markers
        }
        #expect(stage.environment.deliverTelemetry())
        eventually("the fault strikes", sourceLocation: sourceLocation) { stage.search.faults.strikes > 0 }
        stage.search.faults.clear()
        eventually("everything is stored once the back end is well", within: limit, sourceLocation: sourceLocation) {
            markers.allSatisfy { stage.search.contains($0) }
        }
        let line = try stage.drainToTheEnd()
        stage.expectBalance(line, sourceLocation: sourceLocation)
        #expect(
            line.count("rejected") == 0 && line.count("discarded") == 0, "\(line.fields)",
            sourceLocation: sourceLocation)
        #expect(line.count("delivered") == stage.search.documentCount, "\(line.fields)", sourceLocation: sourceLocation)
    }

    static let wholeRequestFaults: [(name: String, fault: FaultKind)] = [
        ("answers HTML", .status(200, body: "<html><body>Welcome</body></html>", contentType: "text/html")),
        ("answers an empty 200", .status(200)),
        ("answers JSON of somebody else", .status(200, body: #"{"took":1,"status":"ok"}"#)),
        ("answers half and closes", .halfAnswerThenClose),
        ("answers half and hangs", .halfAnswerThenHang),
        ("answers for fewer items", .fewerItems(4)),
        ("loses its answer", .lostAnswer),
        ("closes without an answer", .closeWithoutAnswer),
        ("is overloaded", .status(429)),
        ("asks for a second", .status(429, headers: ["Retry-After": "1"])),
        ("is not available", .status(503)),
        ("is a gateway without a server", .status(502, body: "<html>Bad Gateway</html>", contentType: "text/html")),
        ("has gone elsewhere", .status(302, headers: ["Location": "http://127.0.0.1:9/"])),
        ("forbids", .status(403)),
        ("does not know us", .status(401)),
        ("has no such path", .status(404)),
        ("is slow", .delay(.milliseconds(400))),
    ]

    @Test(arguments: wholeRequestFaults.map(\.name)) func `nothing is lost and nothing doubled when the back end`(
        _ name: String
    ) throws {
        let fault = try #require(Self.wholeRequestFaults.first { $0.name == name }?.fault)
        let stage = try stage()
        defer { stage.close() }
        try expectHealing(stage, [Fault(fault, count: 3)])
    }

    @Test func `a back end that never answers is left, and found again`() throws {
        let stage = try stage { $0.variables["PERMAFROST_INDEX_SETUP"] = "none" }
        defer { stage.close() }
        stage.search.faults.set([Fault(.hang)])
        let warm = Invocation.warm(30)
        try stage.environment.invoke(warm)
        eventually("the request hangs") { stage.search.requestCount == 1 }
        stage.search.faults.clear()
        stage.search.stopListening()
        try stage.search.startListening()
        eventually("everything is stored") { stage.search.documentCount >= 30 }
        stage.expectBalance(try stage.drainToTheEnd())
    }

    @Test func `a request that is too large is halved until it fits`() throws {
        var options = FakeOpenSearch.Options()
        options.maximumContentLength = 64 << 10
        let stage = try Stage(search: options) { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "100"
        }
        defer { stage.close() }
        var warm = Invocation.logging(300, bytes: 2000, duration: .milliseconds(50))
        warm.afterwards = .stayWarm
        try stage.environment.invoke(warm)
        eventually("all are stored", within: .seconds(40)) { stage.search.documentCount >= 300 }
        #expect(stage.search.requests.contains { $0.status == 413 })
        let line = try stage.drainToTheEnd()
        stage.expectBalance(line)
        #expect(line.count("rejected") == 0)
    }

    @Test func `a single document that is too large is a reject, and blocks nobody`() throws {
        var options = FakeOpenSearch.Options()
        options.maximumContentLength = 64 << 10
        let stage = try Stage(search: options) { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "10"
            setup.variables["PERMAFROST_TYPES"] = "function"
        }
        defer { stage.close() }
        var warm = Invocation.logging(20)
        warm.logs.insert(.text(String(repeating: "too large ", count: 15_000)), at: 7)
        warm.afterwards = .stayWarm
        try stage.environment.invoke(warm)
        eventually("all others are stored", within: .seconds(40)) { stage.search.documentCount == 20 }
        let line = try stage.drainToTheEnd()
        #expect(line.count("rejected") == 1, "\(line.fields)")
        #expect(line.isBalanced)
        #expect(stage.audit.missing.count == 1)
    }

    @Test func `a document at fault is stored in the safe shape, and rejected when that fails too`() throws {
        let stage = try Stage { setup in
            setup.logFormat = .json
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "10"
            setup.variables["PERMAFROST_TYPES"] = "function"
        }
        defer { stage.close() }
        let fault = FaultKind.item(status: 400, type: "mapper_parsing_exception", reason: "failed to parse field [x]")
        stage.search.faults.set([Fault(fault, after: 2, count: 1)])
        var warm = Invocation(
            logs: (0..<20).map { .json([.init("message", "order"), .init("n", .integer($0))]) })
        warm.afterwards = .stayWarm
        try stage.environment.invoke(warm)
        eventually("all are stored") { stage.search.documentCount == 20 }
        #expect(
            stage.search.documents().count { String(decoding: $0.source, as: UTF8.self).contains("record_text") } == 1)
        stage.search.faults.set([Fault(fault)])
        try stage.environment.invoke(warm)
        eventually("the faults strike twice each") { stage.search.faults.strikes >= 40 }
        stage.search.faults.clear()
        let line = try stage.drainToTheEnd()
        #expect(line.count("rejected") == 20, "\(line.fields)")
        // When SHUTDOWN comes before the last answer the rows travel a second time, and the first answer settles.
        #expect((line.count("delivered") ?? 0) <= stage.search.documentCount)
        #expect(line.isBalanced)
        #expect(stage.audit.doubled.isEmpty)
    }

    @Test func `a blocked index keeps its events, holds up no other, and heals by itself`() throws {
        let stage = try stage()
        defer { stage.close() }
        let warm = Invocation.warm(20)
        try stage.environment.invoke(warm)
        eventually("both indices are there") { stage.search.counts.count >= 2 }
        stage.search.updateSettings(index: "lambda-function", ["index.blocks.write": "true"])
        let before = stage.search.counts["lambda-function"] ?? 0
        let platform = stage.search.counts["lambda-platform"] ?? 0
        try stage.environment.invoke(warm)
        try stage.environment.invoke(warm)
        eventually("the other index goes on") { (stage.search.counts["lambda-platform"] ?? 0) > platform + 3 }
        #expect(stage.search.counts["lambda-function"] == before)
        stage.search.updateSettings(index: "lambda-function", ["index.blocks.write": "false"])
        eventually("the block heals", within: .seconds(60)) {
            (stage.search.counts["lambda-function"] ?? 0) >= before + 40
        }
        let line = try stage.drainToTheEnd()
        stage.expectBalance(line)
        #expect(line.count("rejected") == 0)
    }

    @Test func `a closed index and a missing index wait`() throws {
        let stage = try stage { $0.variables["PERMAFROST_INDEX_SETUP"] = "none" }
        defer { stage.close() }
        stage.search.setCreatesIndices(false)
        let warm = Invocation.warm(20)
        try stage.environment.invoke(warm)
        eventually("the back end refuses") { stage.search.requestCount > 0 }
        #expect(stage.search.documentCount == 0)
        stage.search.setCreatesIndices(true)
        let line = try stage.drainToTheEnd()
        stage.expectBalance(line)
        #expect(line.count("rejected") == 0)
    }

    @Test func `an outage of seconds is gone over by a full drain, with next never held`() throws {
        let stage = try stage { $0.variables["PERMAFROST_LOG_LEVEL"] = "info" }
        defer { stage.close() }
        try stage.environment.invoke(.logging(20))
        stage.search.stopListening()
        let ends = ContinuousClock.now + .seconds(3)
        var held: [Duration] = []
        while ContinuousClock.now < ends {
            let invocation = Invocation.warm(10)
            held += try stage.environment.invoke(invocation).heldNext.values
        }
        try stage.search.startListening()
        #expect(try #require(held.quantile(0.5)) < .milliseconds(20))
        let stored = stage.search.documentCount
        eventually("the backlog drains", within: .seconds(35)) { stage.search.documentCount > stored + 100 }
        stage.expectBalance(try stage.drainToTheEnd())
    }

    @Test func `gzip that is refused is given up, and everything arrives`() throws {
        var options = FakeOpenSearch.Options()
        options.refusesGzip = true
        let stage = try Stage(search: options) { $0.variables["PERMAFROST_BATCH_EVENTS"] = "10" }
        defer { stage.close() }
        let warm = Invocation.warm(20)
        for _ in 0..<3 { try stage.environment.invoke(warm) }
        eventually("stored in plain", within: .seconds(40)) { stage.search.documentCount >= 60 }
        stage.expectBalance(try stage.drainToTheEnd())
    }
}
