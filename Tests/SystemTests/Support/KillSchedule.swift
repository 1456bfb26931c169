import Foundation
import LambdaSimulator
import Testing

/// A seeded sequence of starts, loads and kills over one spool.
struct KillSchedule {
    private enum Death {
        /// When the 200 of the n-th body of the round has been read.
        case onThe200(Int)
        /// After so long, whatever happens then.
        case after(Duration)
        /// Between the last byte of the n-th body and its answer.
        case beforeThe200(Int)
    }

    let stage: Stage
    let courier: Courier
    private var random: SeededRandom
    private var last: Courier.Body?

    init(_ stage: Stage, seed: UInt64) {
        self.stage = stage
        courier = Courier(stage.markers)
        random = SeededRandom(seed: seed)
    }

    mutating func run(_ round: Int) throws {
        try stage.restart()
        if random.chance(80) { stage.sendInvoke() }
        let death = drawDeath()
        let process = try #require(stage.process)
        var killer: Thread?
        if case .after(let delay) = death {
            killer = Thread {
                pause(delay)
                process.kill()
            }
            killer?.start()
        }
        try load(until: death, process)
        #expect(process.waitForExit(timeout: .seconds(10))?.signal == SIGKILL, "round \(round), seed \(random.seed)")
    }

    private mutating func drawDeath() -> Death {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: .onThe200(Int.random(in: 1...8, using: &random))
        case 1: .beforeThe200(Int.random(in: 1...8, using: &random))
        default: .after(.microseconds(Int.random(in: 0...60_000, using: &random)))
        }
    }

    /// Posts until the process is dead.
    private mutating func load(until death: Death, _ process: ExtensionProcess) throws {
        let port = try stage.port()
        var connection: RawConnection?
        var count = 0
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline {
            count += 1
            let body = nextBody(isFirst: count == 1)
            do throws(RawConnectionError) {
                if connection == nil || random.chance(10) { connection = try RawConnection(port: port) }
                guard let open = connection else { return }
                if random.chance(8), try loseAnswer(body, open) {
                    connection = nil
                    continue
                }
                if case .beforeThe200(let number) = death, count >= number {
                    courier.sent(body)
                    try open.send(Courier.request(body.bytes))
                    process.kill()
                    return
                }
                var killsNow = false
                if case .onThe200(let number) = death { killsNow = count >= number }
                let status = try courier.post(body, over: open) { if killsNow { process.kill() } }
                if status == 200 { last = body }
            } catch {
                connection = nil
                if !process.isRunning { return }
            }
        }
        process.kill()
    }

    /// Sends a body whose answer nobody reads; it stays pending and comes again as it is.
    private mutating func loseAnswer(_ body: Courier.Body, _ connection: RawConnection) throws(RawConnectionError)
        -> Bool
    {
        courier.sent(body)
        try connection.send(Courier.request(body.bytes))
        if random.chance(50) {
            try connection.waitForAnswer(timeout: .seconds(10))
            connection.reset()
        } else {
            connection.close()
        }
        return true
    }

    private mutating func nextBody(isFirst: Bool) -> Courier.Body {
        if let pending = courier.pending {
            // Newer events behind old ones are recognised by a new process only.
            guard isFirst, random.chance(50) else { return pending }
            return Courier.Body(events: pending.events + fresh().events)
        }
        // A body that was confirmed already comes once more.
        if let last, random.chance(6) { return last }
        return fresh()
    }

    private mutating func fresh() -> Courier.Body {
        let size = random.chance(5) ? 40_000 : Int.random(in: 40...400, using: &random)
        return courier.body(Int.random(in: 1...30, using: &random), bytes: size)
    }

    /// The last start: what is pending is sent again, and everything is drained.
    mutating func finish() throws -> ClosingLine {
        try stage.restart()
        if let pending = courier.pending { #expect(try courier.post(pending, port: try stage.port()) == 200) }
        stage.sendInvoke()
        return try stage.drainToTheEnd()
    }
}
