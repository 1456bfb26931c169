import Foundation
import Testing

@testable import LambdaSimulator

@Suite(.enabled(if: BashExtension.isAvailable, "no /bin/bash"), .serialized)
struct ExecutionEnvironmentTests {
    private func withEnvironment(
        _ change: (inout EnvironmentSetup) -> Void = { _ in }, receiver: TelemetryReceiver? = nil,
        _ body: (ExecutionEnvironment) throws -> Void
    ) throws {
        let path = try BashExtension.install()
        defer { TemporaryDirectory.remove(String(path.dropLast("/bash-extension".count))) }
        var setup = Fixtures.setup(path)
        if let receiver { setup.variables["LISTENER_PORT"] = String(receiver.server.port) }
        change(&setup)
        let environment = try ExecutionEnvironment(setup)
        defer { environment.close() }
        try body(environment)
    }

    private let name = "bash-extension"

    private func types(_ bodies: [[UInt8]]) -> [String] {
        bodies.flatMap { (try? StrictJSON.parse($0))?.elements ?? [] }.compactMap { $0["type"]?.text }
    }

    @Test func `an extension gets through init, invocations and spindown`() throws {
        try withEnvironment { environment throws in
            let start = try environment.start()
            let one = try #require(start.extensions.first)
            #expect(one.name == name)
            #expect(try #require(one.firstNext) >= #require(one.registered))
            for _ in 0..<3 { #expect(try environment.invoke().status == .success) }
            #expect(environment.isFrozen)
            let end = environment.shutdown()
            #expect(end.ends == [name: .exited(0)])
            let lines = environment.lines(name).map(\.text)
            #expect(lines.first == "started cwd=/proc home=unset spool=\(environment.temporaryDirectory)/permafrost")
            #expect(try #require(lines.last).hasPrefix("shutdown after 3: "))
            #expect(try #require(lines.last).contains(#""shutdownReason":"spindown""#))
        }
    }

    @Test func `a frozen process is stopped and goes on at the next invocation`() throws {
        try withEnvironment { environment throws in
            try environment.invoke()
            let process = try #require(environment.process(name))
            func processState() throws -> String {
                let stat = try String(contentsOfFile: "/proc/\(process.pid)/stat", encoding: .utf8)
                return String(try #require(stat.split(separator: ")").last).prefix(2).suffix(1))
            }
            #expect(try processState() == "T")
            environment.thaw()
            #expect(try processState() != "T")
            environment.freeze()
            #expect(try environment.invoke().wasStarted == false)
        }
    }

    @Test func `the report of an invocation is delivered in the next one or at shutdown`() throws {
        let receiver = try TelemetryReceiver()
        try withEnvironment(
            { setup in
                // It stays to the deadline, as one does that waits for the last report.
                setup.variables["STAY"] = "1"
                setup.shutdownLimit = .milliseconds(500)
            }, receiver: receiver
        ) { environment throws in
            try environment.invoke(Invocation(afterwards: .stayWarm))
            #expect(environment.deliverTelemetry())
            try environment.invoke(.logging(3))
            let before = types(receiver.state.withLock { $0.bodies })
            #expect(before.filter { $0 == "platform.report" }.count == 1)
            environment.shutdown()
            #expect(environment.books.snapshot.offered.keys.count { "\($0)".hasPrefix("platform.report") } == 2)
        }
        let all = types(receiver.state.withLock { $0.bodies })
        #expect(
            all.prefix(2) == ["platform.initStart", "platform.telemetrySubscription"],
            "what was before the subscription is delivered first")
        for type in ["platform.extension", "platform.initRuntimeDone", "platform.initReport"] {
            #expect(all.contains(type))
        }
        #expect(all.filter { $0 == "function" }.count == 3)
    }

    @Test func `a hanging function times out, and the next invocation starts on the same directory`() throws {
        try withEnvironment { setup in
            setup.timeout = .milliseconds(300)
        } _: { environment throws in
            try environment.start()
            let mark = environment.temporaryDirectory + "/mark"
            #expect(FileManager.default.createFile(atPath: mark, contents: nil))
            let outcome = try environment.invoke(Invocation(ending: .hang))
            #expect(outcome.status == .timeout)
            #expect(environment.processes.isEmpty)
            let lines = environment.lines(name).map(\.text)
            #expect(try #require(lines.last).contains(#""shutdownReason":"timeout""#))
            let next = try environment.invoke()
            #expect(next.status == .success)
            #expect(next.wasStarted)
            #expect(FileManager.default.fileExists(atPath: mark))
        }
    }

    @Test func `an extension that stays is killed at the deadline`() throws {
        try withEnvironment { setup in
            setup.variables["STAY"] = "1"
            setup.shutdownLimit = .milliseconds(300)
        } _: { environment throws in
            try environment.start()
            let end = environment.shutdown()
            #expect(end.ends == [name: .killed])
            #expect(end.duration >= .milliseconds(300))
            #expect(environment.exits(name).first?.signal == SIGKILL)
        }
    }

    @Test func `an extension that exits in an invocation is a crash, and is started again`() throws {
        try withEnvironment { setup in
            setup.variables["DIE_AT"] = "2"
        } _: { environment throws in
            #expect(try environment.invoke().status == .success)
            let crash = try environment.invoke()
            #expect(crash.status == .failure)
            #expect(crash.crashed == [name])
            #expect(environment.exits(name).first?.code == 7)
            #expect(try environment.invoke().wasStarted)
        }
    }

    @Test func `a killed extension is started again by the next invocation`() throws {
        try withEnvironment { environment throws in
            try environment.invoke()
            #expect(environment.kill(name)?.signal == SIGKILL)
            let next = try environment.invoke()
            #expect(next.wasStarted)
            #expect(next.status == .success)
        }
    }

    @Test func `next held beyond the deadline makes a timeout of an invocation that had succeeded`() throws {
        try withEnvironment { setup in
            setup.variables["HOLD"] = "2"
            setup.timeout = .milliseconds(300)
            setup.shutdownLimit = .milliseconds(200)
        } _: { environment throws in
            #expect(try environment.invoke().status == .timeout)
        }
    }

    @Test func `the time that next is held is measured`() throws {
        try withEnvironment { setup in
            setup.variables["HOLD"] = "0.2"
        } _: { environment throws in
            let outcome = try environment.invoke()
            #expect(try #require(outcome.heldNext[name]) >= .milliseconds(200))
            #expect(outcome.extensionOverhead >= .milliseconds(150))
        }
    }

    @Test func `a function's crash shuts the environment down with reason failure`() throws {
        try withEnvironment { environment throws in
            #expect(try environment.invoke(Invocation(ending: .runtimeCrash)).status == .failure)
            #expect(try #require(environment.lines(name).last).text.contains(#""shutdownReason":"failure""#))
            #expect(try environment.invoke(Invocation(ending: .functionError("Runtime.X"))).status == .error)
        }
    }

    @Test func `an extension whose registration is refused ends the init`() throws {
        try withEnvironment { setup in
            setup.runtimeAPI.registerRefusal = "Extension.InvalidExtensionState"
        } _: { environment throws in
            #expect(throws: SimulatorError.self) { try environment.start() }
            #expect(environment.process(name)?.waitForExit(timeout: .seconds(5))?.code == 3)
            // Its last line may be on its way when it is gone.
            let deadline = ContinuousClock.now + .seconds(10)
            while environment.lines(name).isEmpty, ContinuousClock.now < deadline { sched_yield() }
            #expect(environment.lines(name).last?.text.hasPrefix("register: 403 ") == true)
        }
    }

    @Test func `Managed Instances interleave invocations and never tell the extension`() throws {
        let receiver = try TelemetryReceiver()
        try withEnvironment(
            { setup in
                setup.initializationType = .managedInstances
                setup.variables["EVENTS"] = #""SHUTDOWN""#
            }, receiver: receiver
        ) { environment throws in
            let outcomes = try environment.invokeConcurrently([.logging(2), .logging(2)])
            #expect(outcomes.map(\.status) == [.success, .success])
            #expect(environment.deliverTelemetry())
            #expect(!environment.isFrozen)
            let bodies = receiver.state.withLock { $0.bodies }
            let events = bodies.flatMap { (try? StrictJSON.parse($0))?.elements ?? [] }
            let reports = events.filter { $0["type"] == "platform.report" }
            #expect(reports.count == 2)
            #expect(reports.allSatisfy { $0["record", "metrics"]?.members?.map(\.name) == ["durationMs"] })
            #expect(!types(bodies).contains("platform.runtimeDone"))
            let requests = events.filter { $0["type"] == "function" }.map { $0["record", "requestId"] }
            #expect(requests[0] == requests[2])
            #expect(requests[0] != requests[1])
            #expect(environment.shutdown().ends == [name: .exited(0)])
            #expect(try #require(environment.lines(name).last).text.hasPrefix("shutdown after 0: "))
        }
    }

    @Test func `copies of a snapshot begin with its directory and its undelivered events`() throws {
        let receiver = try TelemetryReceiver()
        try withEnvironment({ $0.initializationType = .snapStart }, receiver: receiver) { environment throws in
            receiver.state.withLock { $0.statuses = Array(repeating: 503, count: 1000) }
            try environment.start()
            #expect(FileManager.default.createFile(atPath: environment.temporaryDirectory + "/mark", contents: nil))
            let snapshot = try environment.snapshot()
            defer { snapshot.remove() }
            receiver.state.withLock { state in
                state.statuses = []
                state.bodies = []
            }
            var firsts: [String] = []
            for _ in 0..<2 {
                let copy = try snapshot.restore(markers: environment.markers, books: environment.books)
                defer { copy.close() }
                #expect(FileManager.default.fileExists(atPath: copy.temporaryDirectory + "/mark"))
                #expect(try copy.invoke().status == .success)
                #expect(copy.deliverTelemetry())
                let bodies = receiver.state.withLock { state in
                    defer { state.bodies = [] }
                    return state.bodies
                }
                firsts.append(String(decoding: try #require(bodies.first), as: UTF8.self))
                let all = types(bodies)
                let start = try #require(all.firstIndex(of: "platform.initStart"))
                let restore = try #require(all.firstIndex(of: "platform.restoreStart"))
                #expect(start < restore)
                #expect(all.filter { $0 == "platform.initStart" }.count == 1)
            }
            #expect(firsts[0] == firsts[1])
        }
    }

    @Test(.enabled(if: PrivateTmp.isAvailable, "mount namespaces are not permitted here"))
    func `a private tmp shows the environment's directory as tmp`() throws {
        // Not below /tmp, which is what gets hidden.
        let home = FileManager.default.fileExists(atPath: "/var/tmp") ? "/var/tmp" : "/"
        let directory = try TemporaryDirectory.make("extensions", in: home)
        defer { TemporaryDirectory.remove(directory) }
        let path = directory + "/bash-extension"
        try FileManager.default.copyItem(atPath: try BashExtension.install(), toPath: path)
        var setup = Fixtures.setup(path)
        setup.mountsPrivateTmp = true
        let environment = try ExecutionEnvironment(setup)
        defer { environment.close() }
        #expect(FileManager.default.createFile(atPath: environment.temporaryDirectory + "/mark", contents: nil))
        try environment.start()
        let process = try #require(environment.process("bash-extension"))
        #expect(FileManager.default.fileExists(atPath: "/proc/\(process.pid)/root/tmp/mark"))
    }
}

private extension Invocation {
    init(afterwards: Afterwards) {
        self.init()
        self.afterwards = afterwards
    }
}
