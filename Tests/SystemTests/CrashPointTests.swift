import Foundation
import LambdaSimulator
import Testing

/// Invariant: the 200 leaves only after the commit, and a kill at any instruction changes nothing that was promised.
///
/// Every crash point that is compiled into the binary has a story that passes it; the process dies there, and a new one
/// goes on.
@Suite(.together, .enabled(if: Binary.crashing != nil, Binary.crashingReason))
struct CrashPointTests {
    @Test(arguments: CrashStory.all, [1, 3])
    func `a kill at a named point loses nothing and doubles nothing`(_ story: CrashStory, passage: Int) throws {
        guard passage == 1 || story.isRepeated else { return }
        let stage = try Stage(binary: try #require(Binary.crashing), gateway: story.needsGateway) { setup in
            setup.variables["PERMAFROST_TYPES"] = "function"
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "20"
            setup.variables["PERMAFROST_METRIC_PUSH_MS"] = "20"
            story.configure(&setup)
        }
        defer { stage.close() }
        let courier = Courier(stage.markers)
        if let before = story.before {
            try stage.restart()
            try before(stage, courier)
        }
        try stage.replaceEnvironment { setup in
            setup.variables["PERMAFROST_CRASH_AT"] = "\(story.point):\(passage)"
            story.configureCrash(&setup)
        }
        // A start that dies is an end as good as any.
        try? story.run(stage, courier)
        let exit = stage.process?.waitForExit(timeout: .seconds(5)) ?? stage.environment.exits(Stage.name).last
        #expect(exit?.signal == SIGKILL, "\(story.point) was not reached \(passage) times: \(stage.lines.map(\.text))")
        try goOn(stage, courier, story.loss)
    }

    private func goOn(_ stage: Stage, _ courier: Courier, _ loss: CrashStory.Loss) throws {
        try stage.restart()
        stage.sendInvoke()
        try stage.search.startListening()
        let port = try stage.port()
        // A spool at its bound whose chunks are all on their way takes nothing for a moment.
        if let pending = courier.pending {
            eventually("the platform's repetition is taken") { (try? courier.post(pending, port: port)) == 200 }
        }
        let last = courier.body(2)
        eventually("intake goes on") { (try? courier.post(last, port: port)) == 200 }
        let line = try stage.drainToTheEnd()
        let audit = courier.audit(stage.search)
        switch loss {
        case .none: courier.expectExact(stage.search, line)
        case .discarded:
            #expect(audit.doubled.isEmpty && audit.foreign.isEmpty)
            #expect(audit.missing.count == line.count("discarded"), "\(line.fields)")
            #expect(line.isBalanced, "\(line.fields)")
        case .unreadable:
            #expect(audit.doubled.isEmpty && audit.foreign.isEmpty)
            #expect(line.fields["discarded"] == "unknown" || line.isBalanced, "\(line.fields)")
        }
    }
}

@Suite struct CrashPointListTests {
    @Test func `every point in the source has a story`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let source = try String(
            contentsOf: root.appending(path: "Sources/TelemetryModel/CrashPoint.swift"), encoding: .utf8)
        let names = source.matches(of: /case \w+ = "([a-z-]+)"/).map { String($0.1) }
        #expect(!names.isEmpty)
        #expect(Set(names) == Set(CrashStory.all.map(\.point)))
    }
}
