import Foundation
import LambdaSimulator
import Testing

/// What Lambda, a function's configuration, or a mistake in it may be like.
@Suite(.together) struct EnvironmentTests {
    @Test func `no home, a working directory nobody can write to, and proxies that are dead`() throws {
        let stage = try Stage(gateway: true) { setup in
            setup.home = nil
            setup.setsDeadProxy = true
            setup.variables["no_proxy"] = ""
        }
        defer { stage.close() }
        for _ in 0..<3 { try stage.environment.invoke(.logging(10)) }
        let end = try stage.shutdown()
        #expect(end.outcome.ends[Stage.name] == .exited(0))
        #expect(end.books.count("spooled") == 0, "\(stage.lines.map(\.text))")
        #expect(stage.gateway?.groupLabels.count == 1)
        stage.expectBalance(end.books)
    }

    @Test func `without a back end one line names the variables, and a later process delivers what was kept`() throws {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_OPENSEARCH_URL"] = ""
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "5"
        }
        defer { stage.close() }
        for _ in 0..<3 { #expect(try stage.environment.invoke(.logging(10)).status == .success) }
        #expect(stage.environment.deliverTelemetry())
        #expect(stage.lines.count == 1, "\(stage.lines.map(\.text))")
        let line = try #require(stage.lines.first?.text)
        #expect(line.contains("PERMAFROST_OPENSEARCH_URL") && line.contains("PERMAFROST_PUSHGATEWAY_URL"))
        let end = try stage.shutdown()
        #expect((end.books.count("spooled") ?? 0) >= 30)
        #expect(end.books.isBalanced)
        try stage.restart { $0.variables["PERMAFROST_OPENSEARCH_URL"] = stage.search.url }
        stage.sendInvoke()
        stage.expectBalance(try stage.drainToTheEnd())
    }

    @Test(.enabled(if: RealServers.python != nil, RealServers.pythonReason))
    func `a spool that another process holds is told, costs no invocation, and is used once it is let go`() throws {
        let stage = try Stage()
        defer { stage.close() }
        try stage.environment.invoke(.logging(5))
        try stage.shutdown()
        let holder = try Child(
            try #require(RealServers.python),
            [
                "-c",
                """
                import sqlite3, sys, time
                c = sqlite3.connect(sys.argv[1], isolation_level=None)
                c.execute('PRAGMA locking_mode = EXCLUSIVE')
                c.execute('BEGIN IMMEDIATE'); c.execute('UPDATE environment SET id = id'); c.execute('COMMIT')
                print('held', flush=True)
                time.sleep(600)
                """, stage.database,
            ])
        defer { holder.end() }
        eventually("the file is held", within: .seconds(60)) { holder.output.contains("held") }
        try stage.restart()
        let outcome = try stage.environment.invoke(.warm(5))
        #expect(outcome.status == .success)
        #expect(try #require(outcome.heldNext[Stage.name]) < .milliseconds(200))
        eventually("it is told", within: .seconds(30)) {
            !stage.lines(containing: "event=spool_unusable variable=PERMAFROST_SPOOL_DIR").isEmpty
        }
        #expect(stage.books.acknowledgedCount < stage.books.offeredCount)
        holder.end(SIGKILL)
        eventually("what the platform kept is taken", within: .seconds(30)) { stage.environment.deliverTelemetry() }
        stage.expectBalance(try stage.drainToTheEnd())
    }

    @Test(arguments: [
        "ftp://user:hunter2@search.example:9200", "http://user:hunter2@", "http://user:hunter2@host:99999/",
        "user:hunter2@host", "http://user:hunter2@host/?token=hunter2", "http://user:hunter2@ho st/",
    ])
    func `a URL that cannot be read is named without its password, and events are kept`(_ url: String) throws {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_OPENSEARCH_URL"] = url
            setup.variables["PERMAFROST_LOG_LEVEL"] = "debug"
        }
        defer { stage.close() }
        #expect(try stage.environment.invoke(.logging(10)).status == .success)
        #expect(stage.environment.deliverTelemetry())
        let end = try stage.shutdown()
        #expect(end.outcome.ends[Stage.name] == .exited(0))
        #expect(!stage.lines(containing: "PERMAFROST_OPENSEARCH_URL").isEmpty, "\(stage.lines.map(\.text))")
        #expect(stage.lines(containing: "hunter2").isEmpty)
        try stage.restart { $0.variables["PERMAFROST_OPENSEARCH_URL"] = stage.search.url }
        stage.sendInvoke()
        stage.expectBalance(try stage.drainToTheEnd())
    }

    @Test func `credentials in a URL reach the back end and no line of ours`() throws {
        var options = FakeOpenSearch.Options()
        options.credentials = (user: "writer", password: "hunter2%")
        let stage = try Stage(search: options) { setup in
            setup.variables["PERMAFROST_LOG_LEVEL"] = "debug"
            let url = setup.variables["PERMAFROST_OPENSEARCH_URL"] ?? ""
            setup.variables["PERMAFROST_OPENSEARCH_URL"] =
                "http://writer:hunter2%25@" + url.dropFirst("http://".count)
        }
        defer { stage.close() }
        try stage.environment.invoke(.logging(10))
        stage.search.faults.set([Fault(.status(401), count: 1)])
        stage.expectBalance(try stage.drainToTheEnd())
        #expect(stage.search.documentCount > 10)
        #expect(stage.lines(containing: "hunter2").isEmpty)
    }

    @Test func `Managed Instances by the initialization type`() throws {
        let stage = try Stage(gateway: true) { setup in
            setup.initializationType = .managedInstances
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "20"
        }
        defer { stage.close() }
        try stage.environment.start()
        try stage.expectManaged()
    }

    @Test func `Managed Instances by the 403 to INVOKE`() throws {
        let stage = try Stage(gateway: true) { setup in
            setup.initializationType = .managedInstances
            setup.variables["AWS_LAMBDA_INITIALIZATION_TYPE"] = "on-demand"
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "20"
        }
        defer { stage.close() }
        try stage.environment.start()
        #expect(stage.environment.runtimeAPI.refusals.contains("Extension.InvalidEventType"))
        try stage.expectManaged()
    }

    @Test func `an emulator without telemetry is told of once, and next goes on`() throws {
        let stage = try Stage { $0.runtimeAPI.telemetry = .notSupported }
        defer { stage.close() }
        for _ in 0..<3 { #expect(try stage.environment.invoke(.logging(2)).status == .success) }
        #expect(stage.lines(containing: "telemetry").count == 1, "\(stage.lines.map(\.text))")
        let end = try stage.shutdown()
        #expect(end.outcome.ends[Stage.name] == .exited(0))
        #expect(end.books.count("received") == 0)
    }

    @Test(arguments: ["2022-12-13", "2022-07-01"]) func `a subscription falls back to the schema the service knows`(
        _ schema: String
    ) throws {
        let stage = try Stage { setup in
            setup.runtimeAPI.telemetry = .newestSchema(schema)
            setup.logFormat = .json
        }
        defer { stage.close() }
        try stage.environment.invoke(.logging(10))
        #expect(stage.environment.runtimeAPI.agent(named: Stage.name)?.subscription?.schemaVersion == schema)
        stage.expectBalance(try stage.drainToTheEnd())
        #expect(stage.search.documentCount > 10)
    }

    @Test(arguments: [RuntimeAPIOptions.Telemetry.closed, .failing])
    func `a subscription that is refused keeps the next loop going`(_ refusal: RuntimeAPIOptions.Telemetry) throws {
        let stage = try Stage { $0.runtimeAPI.telemetry = refusal }
        defer { stage.close() }
        for _ in 0..<3 { #expect(try stage.environment.invoke(.logging(2)).status == .success) }
        #expect(stage.lines.count == 1, "\(stage.lines.map(\.text))")
        #expect(stage.environment.shutdown().ends[Stage.name] == .exited(0))
    }

    @Test func `a spool directory that cannot be made is named, and next goes on`() throws {
        let stage = try Stage { $0.variables["PERMAFROST_SPOOL_DIR"] = "/proc/permafrost" }
        defer { stage.close() }
        for _ in 0..<3 { #expect(try stage.environment.invoke(.logging(2)).status == .success) }
        #expect(!stage.lines(containing: "PERMAFROST_SPOOL_DIR").isEmpty)
        #expect(stage.environment.shutdown().ends[Stage.name] == .exited(0))
    }

    @Test func `a port that is taken gives way to the next free one`() throws {
        let taken = try FakeOpenSearch()
        defer { taken.stop() }
        let stage = try Stage { $0.variables["PERMAFROST_PORT"] = String(taken.port) }
        defer { stage.close() }
        try stage.environment.invoke(.logging(5))
        #expect(try stage.port() != taken.port)
        stage.expectBalance(try stage.drainToTheEnd())
    }
}

extension Stage {
    /// SHUTDOWN alone is registered for, invocations interleave, and a timer drives the flush.
    fileprivate func expectManaged() throws {
        let agent = try #require(environment.runtimeAPI.agent(named: Stage.name))
        #expect(agent.events == [.shutdown])
        let invocations = (0..<4).map { _ in Invocation.logging(10) }
        let outcomes = try environment.invokeConcurrently(invocations)
        eventually("stored without any INVOKE") { search.documentCount >= 40 }
        let stored = search.documents().compactMap { try? StrictJSON.parse($0.source) }
        for outcome in outcomes {
            let own = stored.filter { $0["faas", "invocation_id"]?.text == outcome.requestID }
            #expect(own.count { $0["type"]?.text == "function" } == 10, "of \(outcome.requestID)")
        }
        expectBalance(try drainToTheEnd())
    }
}
