import Foundation
import LambdaSimulator
import Testing

/// The Summary in PushGateway: cumulative over restarts, in base units, as often as is allowed.
@Suite(.together) struct PushGatewayTests {
    /// Reports given by the test, so that every number is known.
    private struct Reports {
        let courier: Courier
        private(set) var durations: [Double] = []

        init(_ stage: Stage) { courier = Courier(stage.markers) }

        mutating func post(_ values: [Double], port: UInt16) throws {
            let events = values.map { value in
                courier.event(
                    record: """
                        {"requestId":"{marker}","status":"success","metrics":{"durationMs":\(value),\
                        "billedDurationMs":\(value.rounded(.up)),"memorySizeMB":512,"maxMemoryUsedMB":100}}
                        """, type: "platform.report")
            }
            #expect(try courier.post(Courier.Body(events: events), port: port) == 200)
            durations += values
        }

        func quantile(_ q: Double) -> Double { (durations.quantile(q) ?? 0) / 1000 }
    }

    private func stage(url: String? = nil, _ configure: (inout EnvironmentSetup) -> Void = { _ in }) throws -> Stage {
        try Stage(gateway: url == nil) { setup in
            setup.variables["PERMAFROST_TYPES"] = "function"
            if let url { setup.variables["PERMAFROST_PUSHGATEWAY_URL"] = url }
            configure(&setup)
        }
    }

    @Test(.enabled(if: RealServers.gateway != nil, RealServers.gatewayReason))
    func `count, sum and quantiles in the real PushGateway are those of the reports, over restarts too`() throws {
        let gateway = try RealPushGateway()
        defer { gateway.close() }
        let stage = try stage(url: gateway.url)
        defer { stage.close() }
        try stage.environment.start()
        var reports = Reports(stage)
        var random = SeededRandom(seed: 4)
        for round in 0..<4 {
            if round > 0 { try stage.restart() }
            let values = (0..<50).map { _ in (Double.random(in: 1...4000, using: &random) * 100).rounded() / 100 }
            try reports.post(values, port: try stage.port())
            if round % 2 == 0 { stage.process?.kill() } else { try stage.shutdown() }
        }
        try stage.restart()
        stage.sendInvoke()
        try stage.shutdown()
        let text = gateway.metrics
        func value(_ name: String, _ label: String = "") -> Double? {
            text.split(separator: "\n").first { $0.hasPrefix("\(name){") && (label.isEmpty || $0.contains(label)) }
                .flatMap { $0.split(separator: " ").last }.flatMap { Double($0) }
        }
        let family = "permafrost_invocation_duration_seconds"
        #expect(value(family + "_count") == 200)
        let sum = reports.durations.reduce(0, +) / 1000
        #expect(abs((value(family + "_sum") ?? 0) - sum) < 1e-6 * sum)
        for (label, q) in [("quantile=\"0.5\"", 0.5), ("quantile=\"0.9\"", 0.9), ("quantile=\"0.99\"", 0.99)] {
            let found = try #require(value(family, label))
            #expect(abs(found - reports.quantile(q)) <= 0.0101 * reports.quantile(q), "\(label) is \(found)")
        }
        #expect(value("permafrost_invocation_memory_size_bytes_sum") == 200 * 512 * 1_048_576.0)
        #expect(value("permafrost_invocations_total", "status=\"success\"") == 200)
        #expect(value("permafrost_events_total", "event_type=\"platform.report\"") == 200)
        #expect(text.contains("job=\"checkout-worker\""))
        #expect(value("push_failure_time_seconds", "job=\"checkout-worker\"") == 0)
        if let promtool = RealServers.promtool {
            let file = try TemporaryDirectory.make("metrics")
            defer { TemporaryDirectory.remove(file) }
            try text.write(toFile: file + "/text", atomically: true, encoding: .utf8)
            let check = try Child("/bin/sh", ["-c", "'\(promtool)' check metrics < '\(file)/text'"])
            check.wait()
            #expect(!check.output.contains("permafrost_"), "\(check.output)")
        }
    }

    @Test(.enabled(if: RealServers.gateway != nil, RealServers.gatewayReason))
    func `functions that freeze remove the group of a gone environment from the real PushGateway`() throws {
        let gateway = try RealPushGateway()
        defer { gateway.close() }
        let stage = try stage(url: gateway.url) {
            $0.variables["PERMAFROST_TYPES"] = "platform"
            $0.variables["PERMAFROST_METRIC_PUSH_MS"] = "10"
            $0.variables["PERMAFROST_METRIC_GROUP_TTL"] = "2s"
        }
        defer { stage.close() }
        func instances() -> Set<String> {
            Set(gateway.metrics.matches(of: /push_time_seconds\{instance="([^"]+)"/).map { String($0.1) })
        }
        try stage.environment.invoke(.warm())
        try stage.shutdown()
        let gone = instances()
        #expect(gone.count == 1)
        // Each environment looks once a day: the group must be old by then.
        stage.environment.idle(.milliseconds(3100))
        try stage.restart { $0.variables["PERMAFROST_SPOOL_DIR"] = stage.directory + "/another" }
        var invocations = 0
        while invocations < 20, invocations < 3 || !gone.isDisjoint(with: instances()) {
            try stage.environment.invoke(.logging(0, duration: .milliseconds(50)))
            stage.environment.idle(.milliseconds(1100))
            invocations += 1
        }
        #expect(gone.isDisjoint(with: instances()))
        #expect(instances().count == 1, "its own stays")
    }

    @Test func `no push begins within PERMAFROST_METRIC_PUSH_MS of the last, but for SHUTDOWN's`() throws {
        let stage = try stage { $0.variables["PERMAFROST_METRIC_PUSH_MS"] = "700" }
        defer { stage.close() }
        try stage.environment.start()
        stage.sendInvoke()
        var reports = Reports(stage)
        let gateway = try #require(stage.gateway)
        let ends = ContinuousClock.now + .milliseconds(2500)
        while ContinuousClock.now < ends { try reports.post([12.5], port: try stage.port()) }
        let pushes = gateway.requests.filter { $0.method == "PUT" }.map(\.receivedAt)
        #expect(pushes.count >= 2 && pushes.count <= 5)
        for (earlier, later) in zip(pushes, pushes.dropFirst()) {
            // The server sees them a moment after they begin.
            #expect(later - earlier > .milliseconds(650))
        }
        let end = try stage.shutdown()
        #expect(end.outcome.ends[Stage.name] == .exited(0))
        let value = gateway.families["permafrost_invocation_duration_seconds"]?.metrics.first?.value
        guard case .distribution(_, _, let count) = value else {
            Issue.record("no Summary")
            return
        }
        #expect(Int(count) == reports.durations.count)
    }

    @Test func `nothing is pushed without a change`() throws {
        let stage = try stage { $0.variables["PERMAFROST_METRIC_PUSH_MS"] = "10" }
        defer { stage.close() }
        try stage.environment.start()
        stage.sendInvoke()
        var reports = Reports(stage)
        try reports.post([12.5], port: try stage.port())
        let gateway = try #require(stage.gateway)
        eventually("pushed") { gateway.groupLabels.count == 1 }
        let settled = { gateway.requests.count { $0.method == "PUT" } }
        // The ledger changes once more when the event is delivered; then it is quiet.
        for _ in 0..<3 {
            try stage.environment.invoke(Invocation(duration: .milliseconds(150)))
        }
        let before = settled()
        for _ in 0..<5 { try stage.environment.invoke(Invocation(duration: .milliseconds(50))) }
        #expect(settled() - before <= 1, "\(settled() - before) pushes said nothing new")
    }

    enum Fate: String, CaseIterable, Sendable { case hangs, refuses, fails, rejects }

    @Test(arguments: Fate.allCases) func `logs are delivered as ever when the gateway`(_ fate: Fate) throws {
        let stage = try Stage(gateway: true) { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "10"
            setup.variables["PERMAFROST_METRIC_PUSH_MS"] = "0"
        }
        defer { stage.close() }
        switch fate {
        case .hangs: stage.gateway?.faults.set([Fault(.hang, path: "/")])
        case .refuses: stage.gateway?.stopListening()
        case .fails: stage.gateway?.faults.set([Fault(.status(500), path: "/")])
        case .rejects: stage.gateway?.faults.set([Fault(.status(400), path: "/")])
        }
        var markers: [String] = []
        for _ in 0..<5 {
            let invocation = Invocation.warm(20)
            markers += try stage.environment.invoke(invocation).markers
        }
        eventually("the logs are stored", within: .seconds(5)) { markers.allSatisfy { stage.search.contains($0) } }
        let end = try stage.shutdown()
        #expect(end.outcome.ends[Stage.name] == .exited(0))
        #expect(end.outcome.duration < .seconds(2))
        stage.expectBalance(end.books)
        #expect(end.books.count("spooled") == 0, "\(end.books.fields)")
    }

    @Test func `metrics are pushed as ever when OpenSearch hangs`() throws {
        let stage = try Stage(gateway: true) { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "10"
            setup.variables["PERMAFROST_METRIC_PUSH_MS"] = "0"
        }
        defer { stage.close() }
        stage.search.faults.set([Fault(.hang, path: "/")])
        for _ in 0..<3 {
            let invocation = Invocation.warm(20)
            try stage.environment.invoke(invocation)
        }
        #expect(stage.environment.deliverTelemetry())
        eventually("the Summary is there", within: .seconds(5)) {
            let value = stage.gateway?.families["permafrost_invocation_duration_seconds"]?.metrics.first?.value
            if case .distribution(_, _, let count)? = value { return count == 3 }
            return false
        }
    }

    @Test func `a secret that cannot be had stops the sink that needs it, and no other`() throws {
        let secrets = try FakeSecretsManager(user: "user", password: "hunter2")
        defer { secrets.stop() }
        secrets.faults.set([Fault(.status(400), path: "/")])
        var options = FakeOpenSearch.Options()
        options.credentials = (user: "user", password: "hunter2")
        let stage = try Stage(gateway: true, search: options) { setup in
            setup.variables["PERMAFROST_AUTH_SECRET"] = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:login"
            setup.variables["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = secrets.url
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "5"
            setup.variables["PERMAFROST_METRIC_PUSH_MS"] = "0"
        }
        defer { stage.close() }
        let gateway = try #require(stage.gateway)
        for _ in 0..<2 { try stage.environment.invoke(.warm(10)) }
        eventually("the Summary is there", within: .seconds(60)) {
            gateway.families["permafrost_invocation_duration_seconds"] != nil
        }
        #expect(stage.search.documentCount == 0 && stage.search.requests.allSatisfy { !$0.isAuthorized })
        secrets.faults.clear()
        let end = try stage.drainToTheEnd()
        stage.expectBalance(end)
        #expect(end.count("spooled") == 0 && stage.search.documentCount > 0)
        #expect(gateway.requests.allSatisfy { !$0.isAuthorized })
        #expect(stage.lines(containing: "hunter2").isEmpty)
    }

    @Test func `groups of gone environments of our own function are removed, and nobody else's`() throws {
        let stage = try stage { $0.variables["PERMAFROST_METRIC_GROUP_TTL"] = "1s" }
        defer { stage.close() }
        let gateway = try #require(stage.gateway)
        func put(_ instance: String, account: String, pushedAt: Double) {
            let labels =
                "account_id=\"\(account)\",function_name=\"checkout-worker\",function_version=\"17\",region=\"eu-west-1\""
            let text =
                "# TYPE permafrost_invocations_total counter\npermafrost_invocations_total{\(labels),status=\"success\"} 1\n"
            #expect(
                gateway.push(text, labels: ["job": "checkout-worker", "instance": instance], pushedAt: pushedAt) == nil)
        }
        let longAgo = Date().timeIntervalSince1970 - 3600
        put("somebody-elses", account: "999999999999", pushedAt: longAgo)
        try stage.environment.start()
        stage.sendInvoke()
        var reports = Reports(stage)
        try reports.post([12.5], port: try stage.port())
        eventually("our own group is there") { gateway.groupLabels.count == 2 }
        eventually("asked for stale groups", within: .seconds(10)) { gateway.requests.contains { $0.method == "GET" } }
        #expect(gateway.groupLabels.contains { $0["instance"] == "somebody-elses" })
        #expect(gateway.groupLabels.count == 2)
    }
}
