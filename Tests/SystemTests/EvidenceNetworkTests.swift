import Foundation
import LambdaSimulator
import Testing

/// A network that breaks between the binary and both back ends: nothing acknowledged is lost, nothing is stored twice, the
/// last push is whole, and everything recovers by itself.
///
/// `PERMAFROST_ROUNDS` sets the invocations under each fault (a sixth of it), `PERMAFROST_SEED` the schedule.
@Suite(.together) struct EvidenceNetworkTests {
    /// A kind of fault, with the points of a request where it strikes.
    struct Breakage: Sendable, CustomTestStringConvertible {
        var name: String
        var faults: [NetworkFault]

        var testDescription: String { name }

        static let all = [
            Breakage(name: "delays by 100 ms", faults: [.delay(.milliseconds(50))]),
            Breakage(
                name: "cuts requests and answers",
                faults: [
                    .cut(.request, after: 0), .cut(.request, after: 120), .cut(.request, after: 600),
                    .cut(.answer, after: 0), .cut(.answer, after: 17), .cut(.answer, after: 150),
                ]),
            Breakage(
                name: "resets requests and answers",
                faults: [
                    .reset(.request, after: 0), .reset(.request, after: 120), .reset(.request, after: 600),
                    .reset(.answer, after: 0), .reset(.answer, after: 17), .reset(.answer, after: 150),
                ]),
            Breakage(name: "duplicates requests", faults: [.duplicate]),
            Breakage(name: "throttles to 20 kB a second", faults: [.throttle(bytesPerSecond: 20_000)]),
        ]
    }

    private static let rounds = max(10, Binary.rounds / 6)

    private func warm(_ lines: Int) -> Invocation {
        var invocation = Invocation.logging(lines, duration: .milliseconds(20))
        invocation.afterwards = .stayWarm
        return invocation
    }

    @Test(arguments: Breakage.all) func `nothing is lost and nothing doubled by a network that`(
        _ breakage: Breakage
    ) throws {
        let net = try NetworkStage()
        defer { net.close() }
        let plan = NetworkPlan(breakage.faults, percent: 50, seed: Binary.seed)
        net.set(plan)
        for _ in 0..<Self.rounds { try net.stage.environment.invoke(warm(12)) }
        // A seed may spare the few exchanges of one of both.
        try eventually("the network strikes", within: .seconds(60)) {
            if net.search.statistics.strikes > 0, net.gateway.statistics.strikes > 0 { return true }
            try net.stage.environment.invoke(warm(12))
            return false
        }
        #expect(net.stage.environment.deliverTelemetry())
        net.heal()
        net.expectRecovery("seed \(Binary.seed)")
        let line = try net.stage.drainToTheEnd()
        try net.expectExact(line)
        try EvidenceRecord(
            fault: "network \(breakage.name)",
            promise: "nothing lost, nothing double, recovers by itself, the push is whole",
            rounds: "\(Self.rounds) invocations, \(net.strikes) strikes", outcome: net.outcome(line),
            filter: "EvidenceNetworkTests"
        ).write()
    }

    /// Nothing moves and nobody says so. A freeze bounds the wait to two seconds of thawed time.
    @Test func `a black hole is left behind after a freeze`() throws {
        let net = try NetworkStage()
        defer { net.close() }
        let holes: [NetworkFault] = [
            .blackHole(.request, after: 0), .blackHole(.answer, after: 0), .blackHole(.request, after: 300),
            .blackHole(.answer, after: 60),
        ]
        let rounds = max(2, Binary.rounds / 30)
        for round in 0..<rounds {
            net.set(NetworkPlan([holes[round % holes.count]]))
            let before = net.strikes
            try net.stage.environment.invoke(warm(20))
            eventually("the request is swallowed") { net.strikes > before }
            net.stage.environment.freeze()
            net.stage.environment.idle(.milliseconds(1300))
            net.heal()
            let thawed = ContinuousClock.now
            try net.stage.environment.invoke(warm(5))
            net.expectRecovery("seed \(Binary.seed), round \(round)", within: .seconds(10))
            #expect(ContinuousClock.now - thawed < .seconds(10))
        }
        let line = try net.stage.drainToTheEnd()
        try net.expectExact(line)
        try EvidenceRecord(
            fault: "network swallows requests or answers, then a freeze",
            promise: "repeated within 2 s of thawed time, nothing lost, nothing double",
            rounds: "\(rounds) black holes", outcome: net.outcome(line), filter: "EvidenceNetworkTests"
        ).write()
    }

    @Test(.enabled(if: Binary.rounds >= 300, "takes a minute: PERMAFROST_ROUNDS=300 and more"))
    func `a black hole is left behind without a freeze too`() throws {
        let net = try NetworkStage()
        defer { net.close() }
        net.set(NetworkPlan([.blackHole(.answer, after: 0)]))
        try net.stage.environment.invoke(warm(20))
        eventually("the request is swallowed") { net.strikes > 0 }
        net.heal()
        net.expectRecovery("an answer is waited for 45 s", within: .seconds(120))
        let line = try net.stage.drainToTheEnd()
        try net.expectExact(line)
        try EvidenceRecord(
            fault: "network swallows an answer, no freeze", promise: "given up after 45 s without a byte, repeated",
            rounds: "1", outcome: net.outcome(line), filter: "EvidenceNetworkTests"
        ).write()
    }

    @Test(arguments: [
        Breakage(name: "swallows everything", faults: [.blackHole(.request, after: 0)]),
        Breakage(name: "swallows answers in the middle", faults: [.blackHole(.answer, after: 60)]),
        Breakage(name: "resets everything", faults: [.reset(.request, after: 0)]),
        Breakage(name: "is slower than the deadline", faults: [.throttle(bytesPerSecond: 300)]),
    ]) func `SHUTDOWN ends in time behind a network that`(_ breakage: Breakage) throws {
        let net = try NetworkStage()
        defer { net.close() }
        try net.stage.environment.invoke(warm(5))
        net.set(NetworkPlan(breakage.faults))
        try net.stage.environment.invoke(warm(60))
        let end = try net.stage.shutdown()
        #expect(end.outcome.ends[Stage.name] == .exited(0))
        #expect(end.outcome.duration < .seconds(2))
        #expect(end.books.isBalanced, "\(end.books.fields)")
        let left = end.books.count("spooled") ?? 0
        #expect(left > 0, "\(end.books.fields)")
        net.heal()
        net.search.resetConnections()
        net.gateway.resetConnections()
        try net.stage.restart()
        net.stage.sendInvoke()
        net.expectRecovery("the next start drains what is left")
        let line = try net.stage.drainToTheEnd()
        try net.expectExact(line)
        try EvidenceRecord(
            fault: "SHUTDOWN behind a network that \(breakage.name)",
            promise: "out before the deadline, the rest is on disk and delivered by the next start",
            rounds: "1 with \(left) events left",
            outcome: "out after \(Int(end.outcome.duration.milliseconds)) ms; \(net.outcome(line))",
            filter: "EvidenceNetworkTests"
        ).write()
    }
}

/// A stage with a breaking network in front of each back end.
final class NetworkStage {
    let stage: Stage
    let search: FaultyNetwork
    let gateway: FaultyNetwork

    init(
        search options: FakeOpenSearch.Options = .init(),
        _ configure: @escaping (inout EnvironmentSetup) -> Void = { _ in }
    ) throws {
        var networks: [FaultyNetwork] = []
        stage = try Stage(gateway: true, search: options) { setup in
            for name in ["PERMAFROST_OPENSEARCH_URL", "PERMAFROST_PUSHGATEWAY_URL"] {
                guard let port = setup.variables[name].flatMap({ URL(string: $0)?.port }),
                    let network = try? FaultyNetwork(to: UInt16(port))
                else { continue }
                setup.variables[name] = network.url
                networks.append(network)
            }
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "15"
            setup.variables["PERMAFROST_BATCH_AGE_MS"] = "1000"
            setup.variables["PERMAFROST_METRIC_PUSH_MS"] = "50"
            configure(&setup)
        }
        try #require(networks.count == 2)
        (search, gateway) = (networks[0], networks[1])
    }

    func close() {
        stage.close()
        search.stop()
        gateway.stop()
    }

    var strikes: Int { search.statistics.strikes + gateway.statistics.strikes }

    func set(_ plan: NetworkPlan) {
        search.set(plan)
        gateway.set(plan)
    }

    func heal() { set(.calm) }

    /// Everything acknowledged so far is stored, while the extension runs.
    func expectRecovery(
        _ comment: String, within limit: Duration = .seconds(40), sourceLocation: SourceLocation = #_sourceLocation
    ) {
        stage.environment.deliverTelemetry()
        eventually("everything is stored: \(comment)", within: limit, sourceLocation: sourceLocation) {
            stage.search.documentCount >= stage.books.acknowledgedCount
        }
    }

    /// Exactly once each, and both sinks and the closing line say the same.
    func expectExact(_ line: ClosingLine, sourceLocation: SourceLocation = #_sourceLocation) throws {
        stage.expectBalance(line, sourceLocation: sourceLocation)
        let documents = stage.search.documents()
        #expect(line.count("delivered") == documents.count, "\(line.fields)", sourceLocation: sourceLocation)
        for name in ["spooled", "rejected", "discarded"] {
            #expect(line.count(name) == 0, "\(line.fields)", sourceLocation: sourceLocation)
        }
        let reports = documents.count { String(decoding: $0.source, as: UTF8.self).contains("\"platform.report\"") }
        let family = "permafrost_invocation_duration_seconds_count"
        let pushed = stage.gateway?.scrape.split(separator: "\n").filter { $0.hasPrefix(family) }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
        #expect(pushed == Double(reports), "reports pushed and stored", sourceLocation: sourceLocation)
    }

    func outcome(_ line: ClosingLine) -> String {
        "\(stage.books.acknowledgedCount) events acknowledged, \(stage.audit.missing.count) lost, "
            + "\(stage.audit.doubled.count) double"
    }
}
