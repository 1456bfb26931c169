import Foundation
import LambdaSimulator
import Testing

/// What has to happen for a crash point to be passed.
struct CrashStory: Sendable, CustomTestStringConvertible {
    enum Loss {
        case none
        /// Counted exactly in `discarded`.
        case discarded
        /// The ledger may be gone with the file.
        case unreadable
    }

    var point: String
    /// Passed more than once in one process.
    var isRepeated = true
    var needsGateway = false
    var loss = Loss.none
    var configure: @Sendable (inout EnvironmentSetup) -> Void = { _ in }
    /// For the process that dies alone.
    var configureCrash: @Sendable (inout EnvironmentSetup) -> Void = { _ in }
    /// By an earlier process.
    var before: (@Sendable (Stage, Courier) throws -> Void)?
    var run: @Sendable (Stage, Courier) throws -> Void = CrashStory.load

    var testDescription: String { point }

    static let all: [CrashStory] =
        [
            "body-received", "batch-encoded", "append-begun", "append-before-commit", "append-after-commit",
            "acknowledgement-before", "acknowledgement-after", "claimed", "request-started", "answer-received",
            "settle-begun", "settle-before-commit", "settle-after-commit",
        ].map { CrashStory(point: $0) }
        + [
            CrashStory(point: "checkpoint-before", run: loadMuch), CrashStory(point: "checkpoint-after", run: loadMuch),
            CrashStory(point: "evict-before-commit", loss: .discarded, configure: bounded, run: loadWithoutBackEnd),
            CrashStory(
                point: "evict-after-commit", isRepeated: false, loss: .discarded, configureCrash: bounded,
                before: leaveBacklog, run: wait),
            CrashStory(point: "shrink-before", run: loadAndShrink),
            CrashStory(point: "shrink-after", run: loadAndShrink),
            CrashStory(point: "relocate-copied", run: loadAndDelete),
            CrashStory(point: "relocate-renamed", run: loadAndDelete),
            CrashStory(
                point: "quarantine-half-renamed", isRepeated: false, loss: .unreadable,
                before: leaveDamagedBacklog, run: wait),
            CrashStory(
                point: "quarantine-renamed", isRepeated: false, loss: .unreadable,
                before: leaveDamagedBacklog, run: wait),
            CrashStory(
                point: "environment-established", isRepeated: false,
                configure: { $0.initializationType = .snapStart },
                run: { stage, courier in
                    try stage.environment.start()
                    try courier.post(courier.body(5), port: try stage.port())
                    stage.sendInvoke()
                    try wait(stage, courier)
                }),
            CrashStory(point: "metrics-pushed", needsGateway: true, run: loadReports),
            CrashStory(point: "drain-begun", isRepeated: false, run: loadAndShutDown),
            CrashStory(point: "drain-ended", isRepeated: false, run: loadAndShutDown),
        ]

    // MARK: What they are made of

    private static func start(_ stage: Stage) throws {
        if stage.process == nil { try stage.environment.start() }
        stage.sendInvoke()
    }

    @Sendable private static func load(_ stage: Stage, _ courier: Courier) throws {
        try start(stage)
        try courier.load(stage, ahead: 200)
    }

    @Sendable private static func loadMuch(_ stage: Stage, _ courier: Courier) throws {
        try start(stage)
        try courier.load(stage, events: 20, bytes: 8000, ahead: 1000)
    }

    @Sendable private static func bounded(_ setup: inout EnvironmentSetup) {
        setup.variables["PERMAFROST_SPOOL_MAX_BYTES"] = "2097152"
    }

    @Sendable private static func loadWithoutBackEnd(_ stage: Stage, _ courier: Courier) throws {
        stage.search.stopListening()
        try start(stage)
        try courier.load(stage, events: 20, bytes: 4000)
    }

    /// Twelve MiB that the next process finds.
    @Sendable private static func leaveBacklog(_ stage: Stage, _ courier: Courier) throws {
        stage.search.stopListening()
        let goal = courier.acknowledged.count + 1500
        try courier.load(stage, events: 50, bytes: 8000) { courier.acknowledged.count >= goal }
        stage.process?.kill()
        try stage.search.startListening()
    }

    @Sendable private static func leaveDamagedBacklog(_ stage: Stage, _ courier: Courier) throws {
        try leaveBacklog(stage, courier)
        try damage(stage)
    }

    /// The b-tree header of the first page, and with it every newer copy in the WAL.
    private static func damage(_ stage: Stage) throws {
        unlink(stage.database + "-wal")
        let file = try FileHandle(forUpdating: URL(filePath: stage.database))
        defer { try? file.close() }
        try file.seek(toOffset: 100)
        try file.write(contentsOf: Data(repeating: 0xff, count: 8))
    }

    @Sendable private static func wait(_ stage: Stage, _ courier: Courier) throws {
        if stage.process == nil { try stage.environment.start() }
        _ = stage.process?.waitForExit(timeout: .seconds(10))
    }

    @Sendable private static func loadAndDelete(_ stage: Stage, _ courier: Courier) throws {
        try start(stage)
        for _ in 0..<4 {
            var goal = courier.acknowledged.count + 20
            try courier.load(stage) { courier.acknowledged.count >= goal }
            // Short of the goal it is dead: what it left must stay.
            guard courier.acknowledged.count >= goal else { return }
            try? FileManager.default.removeItem(atPath: stage.directory + "/permafrost")
            goal = courier.acknowledged.count + 20
            try courier.load(stage) {
                FileManager.default.fileExists(atPath: stage.database) && courier.acknowledged.count >= goal
            }
            guard courier.acknowledged.count >= goal else { return }
        }
    }

    /// Some MiB that are drained, over and over: an empty spool gives its pages back.
    @Sendable private static func loadAndShrink(_ stage: Stage, _ courier: Courier) throws {
        try start(stage)
        for _ in 0..<4 where stage.process?.isRunning == true {
            stage.search.stopListening()
            let goal = courier.acknowledged.count + 500
            try courier.load(stage, events: 25, bytes: 8000) { courier.acknowledged.count >= goal }
            try stage.search.startListening()
            let deadline = ContinuousClock.now + .seconds(20)
            while stage.process?.isRunning == true, ContinuousClock.now < deadline,
                stage.search.documentCount < goal || size(stage.database) > 1 << 20
            {
                pause(.milliseconds(10))
            }
        }
    }

    private static func size(_ path: String) -> Int {
        (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    }

    @Sendable private static func loadReports(_ stage: Stage, _ courier: Courier) throws {
        try start(stage)
        let port = try stage.port()
        let deadline = ContinuousClock.now + .seconds(20)
        while stage.process?.isRunning == true, ContinuousClock.now < deadline {
            if courier.acknowledged.count - stage.search.documentCount > 200 {
                pause(.milliseconds(1))
                continue
            }
            let record = #"{"requestId":"{marker}","status":"success","metrics":{"durationMs":12.5}}"#
            let body = Courier.Body(events: [courier.event(record: record, type: "platform.report")])
            _ = try? courier.post(courier.pending ?? body, port: port)
        }
    }

    @Sendable private static func loadAndShutDown(_ stage: Stage, _ courier: Courier) throws {
        try start(stage)
        let goal = courier.acknowledged.count + 50
        try courier.load(stage) { courier.acknowledged.count >= goal }
        stage.environment.shutdown()
    }
}
