import Foundation
import LambdaSimulator
import Testing

/// Invariant: the 200 leaves only after the transaction that holds the batch has committed.
@Suite(.together) struct AckAfterCommitTests {
    /// Kills at random moments under load and exactly on the 200, with lost answers, exact repetitions, and after a kill
    /// repetitions with newer events behind them.
    @Test func `not one acknowledged event is lost or stored twice over rounds of kills`() throws {
        let stage = try Stage { setup in
            // The simulator's own publisher stays silent: the schedule below is the only sender.
            setup.variables["PERMAFROST_TYPES"] = "function"
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "40"
            setup.variables["PERMAFROST_BATCH_AGE_MS"] = "100"
        }
        defer { stage.close() }
        stage.search.faults.set([
            Fault(.lostAnswer, after: 3, every: 11), Fault(.delay(.milliseconds(15)), after: 1, every: 4),
            Fault(.status(503), after: 5, every: 23), Fault(.halfAnswerThenClose, after: 7, every: 29),
        ])
        var schedule = KillSchedule(stage, seed: Binary.seed)
        for round in 0..<Binary.rounds { try schedule.run(round) }
        stage.search.faults.clear()
        let line = try schedule.finish()
        schedule.courier.expectExact(stage.search, line)
        #expect(schedule.courier.acknowledged.count > Binary.rounds, "seed \(Binary.seed)")
        #expect((line.count("duplicate") ?? 0) > 0, "no repetition was recognised: \(line.fields)")
        let audit = schedule.courier.audit(stage.search)
        try EvidenceRecord(
            fault: "SIGKILL at any moment, before the 200 and on it; lost answers, repeated and regrouped bodies",
            promise: "nothing acknowledged is lost, nothing is stored twice", rounds: "\(Binary.rounds) kills",
            outcome: "\(schedule.courier.acknowledged.count) events acknowledged, \(audit.missing.count) lost, "
                + "\(audit.doubled.count) double, \(line.count("duplicate") ?? 0) recognised as repetitions",
            filter: "AckAfterCommitTests"
        ).write()
    }

    @Test func `the platform gets its 200 exactly once for each event, whatever moment it is killed at`() throws {
        let doomed = DoomedPosts()
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "30"
            setup.publisher.onAcknowledgement = { _ in doomed.strike() }
        }
        defer { stage.close() }
        var random = SeededRandom(seed: Binary.seed)
        for _ in 0..<max(4, Binary.rounds / 5) {
            let environment = stage.environment
            doomed.arm(after: Int.random(in: 1...4, using: &random)) { environment.kill(Stage.name) }
            try environment.invoke(.logging(Int.random(in: 5...40, using: &random), duration: .milliseconds(20)))
        }
        doomed.disarm()
        try stage.environment.invoke(.logging(3))
        #expect(stage.environment.deliverTelemetry())
        // Before the drain, which may need further environments.
        let kills = stage.environment.exits(Stage.name).count { $0.signal == SIGKILL }
        let line = try stage.drainToTheEnd()
        stage.expectBalance(line)
        #expect(kills > 0)
        try EvidenceRecord(
            fault: "SIGKILL on the platform's first to fourth 200 of an invocation",
            promise: "nothing acknowledged is lost, nothing is stored twice", rounds: "\(kills) kills",
            outcome: "\(stage.books.acknowledgedCount) events acknowledged, \(stage.audit.missing.count) lost, "
                + "\(stage.audit.doubled.count) double",
            filter: "AckAfterCommitTests"
        ).write()
    }

    @Test(.enabled(if: SmallDisk.isAvailable, "needs the right to mount a tmpfs"))
    func `a full disk is answered with 5xx, leaves no trace, and heals`() throws {
        let disk = try SmallDisk(bytes: 80 << 20)
        defer { disk.close() }
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_SPOOL_DIR"] = disk.path + "/permafrost"
            setup.variables["PERMAFROST_TYPES"] = "function"
        }
        defer { stage.close() }
        stage.search.stopListening()
        try stage.environment.start()
        let courier = Courier(stage.markers)
        let port = try stage.port()
        #expect(try courier.post(courier.body(20), port: port) == 200)
        // The function takes all the rest.
        try disk.fill()
        var statuses: [Int] = []
        for _ in 0..<40 { statuses.append(try courier.post(courier.body(50, bytes: 2000), port: port)) }
        #expect(statuses.contains { $0 >= 500 }, "\(statuses)")
        #expect(statuses.allSatisfy { $0 == 200 || $0 >= 500 })
        #expect(try stage.environment.invoke(.warm()).status == .success)
        disk.empty()
        eventually("intake recovers by itself") { (try? courier.post(courier.body(5), port: port)) == 200 }
        try stage.search.startListening()
        let line = try stage.drainToTheEnd()
        courier.expectExact(stage.search, line)
        try EvidenceRecord(
            fault: "the function fills the disk", promise: "5xx without a trace, `next` goes on, heals by itself",
            rounds: "\(statuses.count) bodies",
            outcome: "\(statuses.count { $0 >= 500 }) answered 5xx; \(courier.acknowledged.count) events acknowledged, "
                + "\(courier.audit(stage.search).missing.count) lost",
            filter: "AckAfterCommitTests"
        ).write()
    }
}

/// Kills a process when the n-th 200 from now has been read.
private final class DoomedPosts: Sendable {
    private struct State: Sendable {
        var left = 0
        var kill: (@Sendable () -> Void)?
    }

    private let state = Monitor(State())

    func arm(after posts: Int, _ kill: @escaping @Sendable () -> Void) {
        state.withLock { state in
            state.left = posts
            state.kill = kill
        }
    }

    func disarm() { state.withLock { $0.kill = nil } }

    func strike() {
        let kill: (@Sendable () -> Void)? = state.withLock { state in
            state.left -= 1
            return state.left == 0 ? state.kill : nil
        }
        kill?()
    }
}
