import Foundation
import LambdaSimulator
import Testing

/// A seeded story of invocations in which everything goes wrong: what happens to an invocation, to the processes, to the
/// disk, to the network and to the back ends is drawn from one sequence and depends on nothing else, no clock included.
///
/// Weather changes every few dozen invocations: in each stretch some classes of faults are on and the others off, so that
/// long quiet lives, storms and every mixture come by.
final class EvidenceSoak {
    /// Classes of faults that a stretch may have.
    struct Weather {
        var kills = false
        var resets = false
        var freezes = false
        var lostAnswers = false
        var cutRecords = false
        var deletions = false
        var backEnd = false
        var network = false

        static let calm = Weather()

        init() {}

        init(_ random: inout SeededRandom) {
            kills = random.chance(50)
            resets = random.chance(40)
            freezes = random.chance(40)
            lostAnswers = random.chance(50)
            cutRecords = random.chance(40)
            deletions = random.chance(30)
            backEnd = random.chance(60)
            network = random.chance(50)
        }
    }

    /// Resident memory and the bytes of the spool's files after an invocation.
    struct Sample {
        var invocation: Int
        var residentBytes: Int
        var spoolBytes: Int
    }

    static let spoolBound = 32 << 20
    /// Larger requests are refused with 413; every document is smaller.
    static let largestRequest = 512 << 10
    /// Of the platform's bodies: the least that it takes.
    private static let bodyBytes = 262_144

    let net: NetworkStage
    private(set) var counts: [String: Int] = [:]
    private(set) var samples: [Sample] = []
    private var random: SeededRandom
    private var weather = Weather.calm
    private var weatherEnds = 0
    private var isDown = false

    var stage: Stage { net.stage }

    init(seed: UInt64) throws {
        random = SeededRandom(seed: seed)
        var options = FakeOpenSearch.Options()
        options.maximumContentLength = Self.largestRequest
        net = try NetworkStage(search: options) { setup in
            setup.timeout = .milliseconds(900)
            setup.reportsFailedInvocations = true
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "50"
            setup.variables["PERMAFROST_BATCH_AGE_MS"] = "1000"
            setup.variables["PERMAFROST_METRIC_PUSH_MS"] = "200"
            setup.variables["PERMAFROST_SPOOL_MAX_BYTES"] = String(Self.spoolBound)
            setup.variables["PERMAFROST_TELEMETRY_MAX_BYTES"] = String(Self.bodyBytes)
        }
    }

    // MARK: The story

    /// The last quarter has no kills and no resets: one process lives through it, and its memory is looked at.
    func run(_ invocations: Int) throws {
        for number in 0..<invocations {
            let isLastQuarter = number >= invocations * 3 / 4
            if number >= weatherEnds || (isLastQuarter && (weather.kills || weather.resets)) {
                weather = Weather(&random)
                if isLastQuarter { (weather.kills, weather.resets) = (false, false) }
                weatherEnds = number + Int.random(in: 15...60, using: &random)
                try changeBackEnd()
                changeNetwork()
            }
            try step()
            sample(number)
        }
    }

    private func step() throws {
        if random.chance(6) { try changeBackEnd() }
        if random.chance(6) { changeNetwork() }
        let draw = Int.random(in: 0..<100, using: &random)
        switch draw {
        case 0..<4 where weather.kills: try killed()
        case 4..<5 where weather.resets: try ended(.hang)
        case 5..<7 where weather.resets: try ended(.runtimeCrash)
        case 7..<9 where weather.freezes: try longFreeze()
        case 9..<14 where weather.lostAnswers: try lostAnswer()
        case 14..<17 where weather.lostAnswers: try repeated()
        case 17..<20 where weather.cutRecords: try cutRecord()
        case 20..<22 where weather.deletions: try deletion()
        default: try invoke(invocation())
        }
    }

    private func count(_ what: String) { counts[what, default: 0] += 1 }

    /// A start that is killed on its way is followed by the next.
    private func invoke(_ invocation: Invocation) throws {
        count("invocations")
        do {
            try stage.environment.invoke(invocation)
        } catch SimulatorError.state {
            count("starts that were killed")
        }
    }

    private func invocation() -> Invocation {
        let lines = Int.random(in: 0...25, using: &random)
        let bytes = random.chance(3) ? 6000 : Int.random(in: 20...300, using: &random)
        let duration = Duration.milliseconds(Int.random(in: 1...6, using: &random))
        var made = Invocation.logging(lines, bytes: bytes, duration: duration)
        if random.chance(5) { made.ending = .functionError("Oops") }
        made.afterwards = random.chance(70) ? .freeze : .stayWarm
        made.invokeDelay = random.chance(10) ? .milliseconds(3) : .zero
        return made
    }

    // MARK: What happens to processes

    private func killed() throws {
        count("SIGKILLs")
        let environment = stage.environment
        var doomed = invocation()
        let delay = Duration.microseconds(Int.random(in: 0...30_000, using: &random))
        if random.chance(50) {
            doomed.beforeRuntimeDone = {
                pause(delay)
                environment.kill(Stage.name)
            }
            try invoke(doomed)
        } else {
            let done = Monitor(false)
            let killer = Thread {
                pause(delay)
                environment.kill(Stage.name)
                done.withLock { $0 = true }
            }
            killer.start()
            try invoke(doomed)
            _ = done.wait(timeout: .seconds(20)) { $0 ? true : nil }
        }
    }

    private func ended(_ ending: Invocation.Ending) throws {
        count(ending == .hang ? "timeouts" : "runtime crashes")
        var doomed = invocation()
        doomed.ending = ending
        try invoke(doomed)
    }

    private func longFreeze() throws {
        count("freezes over a second")
        var frozen = invocation()
        frozen.afterwards = .freeze
        try invoke(frozen)
        stage.environment.idle(.milliseconds(Int.random(in: 1000...1400, using: &random)))
    }

    // MARK: What happens to telemetry

    private func lostAnswer() throws {
        count("lost answers")
        let how: LostAnswer = random.chance(50) ? .beforeAnswer : .unread
        stage.environment.publisher(Stage.name)?.loseAnswers(how, then: .sameBody)
        try invoke(invocation())
        stage.environment.deliverTelemetry()
    }

    private func repeated() throws {
        count("repetitions of confirmed bodies")
        try invoke(invocation())
        stage.environment.deliverTelemetry()
        stage.environment.publisher(Stage.name)?.redeliver(.sameBody)
        stage.environment.deliverTelemetry()
    }

    private func cutRecord() throws {
        count("cut records")
        var large = invocation()
        let length = Int.random(in: 8000...9000, using: &random)
        large.logs.append(.text(String(repeating: "a line that is longer than a body, ", count: length)))
        try invoke(large)
        stage.environment.deliverTelemetry()
    }

    // MARK: What happens to the disk

    /// The function empties /tmp. What was acknowledged is in the open file until it is carried over, so nothing else goes
    /// wrong until the database is there again.
    private func deletion() throws {
        count("deletions of the spool")
        let directory = stage.directory + "/permafrost"
        var careless = Invocation.logging(5)
        careless.beforeRuntimeDone = { try? FileManager.default.removeItem(atPath: directory) }
        try invoke(careless)
        for _ in 0..<200 where !FileManager.default.fileExists(atPath: stage.database) {
            var warm = Invocation.logging(1)
            warm.afterwards = .stayWarm
            try invoke(warm)
            pause(.milliseconds(20))
        }
        #expect(FileManager.default.fileExists(atPath: stage.database), "not carried over")
    }

    // MARK: What happens to the back ends and on the way to them

    private func changeBackEnd() throws {
        if isDown {
            try stage.search.startListening()
            try stage.gateway?.startListening()
            isDown = false
        }
        stage.search.faults.clear()
        stage.gateway?.faults.clear()
        guard weather.backEnd, random.chance(70) else { return }
        if random.chance(12) {
            count("outages")
            isDown = true
            stage.search.stopListening()
            if random.chance(50) { stage.gateway?.stopListening() }
            return
        }
        count("back-end faults")
        let kind = Self.backEndFaults[Int.random(in: 0..<Self.backEndFaults.count, using: &random)]
        stage.search.faults.set([Fault(kind, every: Int.random(in: 1...3, using: &random), count: 12)])
        if random.chance(30) {
            let kind = Self.gatewayFaults[Int.random(in: 0..<Self.gatewayFaults.count, using: &random)]
            stage.gateway?.faults.set([Fault(kind, count: 5)])
        }
    }

    private static let backEndFaults: [FaultKind] = [
        .status(429), .status(429, headers: ["Retry-After": "1"]), .status(503), .status(500),
        .status(502, body: "<html>Bad Gateway</html>", contentType: "text/html"),
        .status(200, body: "<html><body>Welcome</body></html>", contentType: "text/html"), .status(200),
        .status(403), .status(404), .status(401), .hang, .halfAnswerThenHang, .halfAnswerThenClose,
        .closeWithoutAnswer, .lostAnswer, .fewerItems(3), .delay(.milliseconds(150)), .stall(.milliseconds(60)),
        .item(status: 429, type: "es_rejected_execution_exception"),
        .item(status: 503, type: "unavailable_shards_exception"), .item(status: 403, type: "cluster_block_exception"),
        .item(status: 400, type: "mapper_parsing_exception", reason: "failed to parse field [record.message]"),
    ]

    private static let gatewayFaults: [FaultKind] = [
        .status(400, body: "pushed metrics are invalid"), .status(503), .hang, .closeWithoutAnswer, .lostAnswer,
    ]

    private func changeNetwork() {
        net.heal()
        if random.chance(40) {
            net.search.resetConnections()
            net.gateway.resetConnections()
        }
        guard weather.network, random.chance(70) else { return }
        count("network faults")
        let faults = Self.networkFaults.shuffled(using: &random).prefix(Int.random(in: 1...4, using: &random))
        net.set(
            NetworkPlan(
                Array(faults), percent: Int.random(in: 10...90, using: &random), count: 20, seed: random.next()))
    }

    private static let networkFaults: [NetworkFault] = [
        .delay(.milliseconds(30)), .cut(.request, after: 0), .cut(.request, after: 500), .cut(.answer, after: 0),
        .cut(.answer, after: 100), .reset(.request, after: 0), .reset(.request, after: 700), .reset(.answer, after: 0),
        .reset(.answer, after: 60), .blackHole(.request, after: 300), .blackHole(.answer, after: 0), .duplicate,
        .throttle(bytesPerSecond: 30_000),
    ]

    /// Everything works again, and what hung is cut.
    func heal() throws {
        weather = .calm
        try changeBackEnd()
        changeNetwork()
        net.search.resetConnections()
        net.gateway.resetConnections()
        stage.search.stopListening()
        stage.gateway?.stopListening()
        try stage.search.startListening()
        try stage.gateway?.startListening()
    }

    /// On a loaded machine an invocation may run into the function's limit, and no process is left.
    func keepRunning() throws {
        if stage.process?.isRunning != true {
            var warm = Invocation.logging(1)
            warm.afterwards = .stayWarm
            try stage.environment.invoke(warm)
        }
        stage.environment.deliverTelemetry()
    }

    // MARK: Looking

    /// Processes that neither left at SHUTDOWN nor were killed by us.
    var unbiddenEnds: Int { stage.environment.exits(Stage.name).count { $0.code != 0 && $0.signal != SIGKILL } }

    private func sample(_ invocation: Int) {
        guard invocation % 5 == 0, let resident = stage.process?.residentBytes else { return }
        samples.append(Sample(invocation: invocation, residentBytes: resident, spoolBytes: spoolBytes))
    }

    /// All files of the spool's directory.
    var spoolBytes: Int {
        let directory = stage.directory + "/permafrost"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.reduce(0) { sum, name in
            let size = (try? FileManager.default.attributesOfItem(atPath: directory + "/" + name))?[.size] as? Int
            return sum + (size ?? 0)
        }
    }
}
