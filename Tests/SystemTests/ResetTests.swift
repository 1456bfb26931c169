import Foundation
import LambdaSimulator
import Testing

/// A function that times out takes our process with it, not our spool.
@Suite(.together) struct ResetTests {
    private func instances(_ search: FakeOpenSearch) -> Set<String> {
        Set(
            search.documents().compactMap { document in
                (try? StrictJSON.parse(document.source))?["faas", "instance"]?.text
            })
    }

    @Test func `after a timeout the same environment goes on with everything it had`() throws {
        let stage = try Stage(gateway: true) { setup in
            setup.timeout = .seconds(1)
            // The announced deadline lies beyond the real one: the process is killed in the middle of its drain.
            setup.shutdownLimit = .milliseconds(400)
            setup.shutdownDeadlineOffset = .milliseconds(1600)
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "30"
        }
        defer { stage.close() }
        try stage.environment.invoke(.logging(40))
        stage.environment.thaw()
        eventually("the first invocation is stored") { stage.search.documentCount >= 40 }
        stage.search.faults.set([Fault(.hang)])
        var hanging = Invocation.logging(60)
        hanging.ending = .hang
        let outcome = try stage.environment.invoke(hanging)
        #expect(outcome.status == .timeout)
        #expect(stage.environment.exits(Stage.name).last?.signal == SIGKILL)
        stage.search.faults.clear()

        let next = Invocation.warm(5)
        #expect(try stage.environment.invoke(next).wasStarted)
        eventually("the backlog drains in the background") {
            outcome.markers.allSatisfy { stage.search.contains($0) }
        }
        #expect(stage.environment.deliverTelemetry())
        let end = try stage.shutdown()
        #expect(end.outcome.ends[Stage.name] == .exited(0))
        #expect(end.books.isBalanced, "\(end.books.fields)")
        #expect((end.books.count("received") ?? 0) >= 105, "the counters began anew: \(end.books.fields)")
        #expect(instances(stage.search).count == 1, "\(instances(stage.search))")
    }

    @Test func `the parts of a cut record find each other over a crash`() throws {
        let stage = try Stage()
        defer { stage.close() }
        try stage.environment.start()
        let parts = Courier(stage.markers).cutInTwo()
        #expect(try stage.postRaw(parts.head, port: try stage.port()) == 200)
        stage.process?.kill()
        try stage.environment.start()
        #expect(try stage.postRaw(parts.tail, port: try stage.port()) == 200)
        stage.sendInvoke()
        let line = try stage.drainToTheEnd()
        #expect(line.isBalanced && line.count("joined") == 1, "\(line.fields)")
        let whole = stage.search.documents().map(\.source).filter { MarkerSource.find(in: $0) == parts.marker }
        #expect(whole.count == 1)
        #expect(whole.allSatisfy { String(decoding: $0, as: UTF8.self).contains(parts.text) })
    }

    @Test func `a runtime that crashes over and over costs nothing that was acknowledged`() throws {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "25"
            setup.shutdownLimit = .milliseconds(700)
            setup.shutdownDeadlineOffset = .milliseconds(1300)
            setup.reportsFailedInvocations = true
        }
        defer { stage.close() }
        stage.search.faults.set([Fault(.delay(.milliseconds(250)), every: 2), Fault(.status(503), after: 1, every: 3)])
        for round in 0..<6 {
            var invocation = Invocation.logging(20)
            invocation.ending = round % 2 == 0 ? .runtimeCrash : .success
            try stage.environment.invoke(invocation)
        }
        stage.search.faults.clear()
        try stage.environment.invoke(.logging(1))
        #expect(stage.environment.deliverTelemetry())
        stage.expectBalance(try stage.drainToTheEnd())
        #expect(instances(stage.search).count == 1)
    }

    @Test func `SHUTDOWN after a timeout waits for no report`() throws {
        let stage = try Stage { $0.timeout = .milliseconds(400) }
        defer { stage.close() }
        try stage.environment.invoke(.logging(5))
        let outcome = stage.environment.shutdown(.timeout)
        #expect(outcome.ends[Stage.name] == .exited(0))
        let line = try #require(ClosingLine.last(in: outcome.lines[Stage.name] ?? []))
        #expect(line.reason == "timeout")
        #expect(line.isBalanced)
    }
}

extension Courier {
    /// A record that the platform cut: neither body is JSON.
    func cutInTwo() -> (head: [UInt8], tail: [UInt8], marker: String, text: String) {
        let made = event()
        let time = WallClock.iso8601(ms: WallClock.nowMs())
        let envelope = "{\"time\":\"\(time)\",\"type\":\"function\",\"record\":"
        let text = "\(made.marker) the first half, and the second half"
        let middle = text.index(text.startIndex, offsetBy: made.marker.count + 12)
        return (
            Array("[\(envelope)\"\(text[..<middle])}]".utf8), Array("[\(envelope)\(text[middle...])\"}]".utf8),
            made.marker, text
        )
    }
}

extension Stage {
    /// One body over a connection of its own; the status.
    func postRaw(_ body: [UInt8], port: UInt16, method: String = "POST") throws -> Int {
        let connection = try RawConnection(port: port)
        defer { connection.close() }
        try connection.send(Courier.request(body, method: method))
        return try connection.readResponse(timeout: .seconds(20)).status
    }
}
