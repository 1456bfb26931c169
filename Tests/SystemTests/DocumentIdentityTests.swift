import LambdaSimulator
import Testing

/// Invariant: a document id is never used twice for different events, and never changes for the same event.
@Suite(.together) struct DocumentIdentityTests {
    private func stage(_ configure: (inout EnvironmentSetup) -> Void = { _ in }) throws -> Stage {
        try Stage { setup in
            setup.variables["PERMAFROST_TYPES"] = "function"
            configure(&setup)
        }
    }

    @Test func `a body that comes again is counted as duplicate, across restarts too`() throws {
        let stage = try stage()
        defer { stage.close() }
        try stage.environment.start()
        let courier = Courier(stage.markers)
        let bodies = (1...20).map { courier.body($0) }
        for body in bodies { #expect(try courier.post(body, port: try stage.port()) == 200) }
        for body in bodies.shuffled() { #expect(try courier.post(body, port: try stage.port()) == 200) }
        stage.process?.kill()
        try stage.restart()
        stage.sendInvoke()
        for body in bodies { #expect(try courier.post(body, port: try stage.port()) == 200) }
        let line = try stage.drainToTheEnd()
        courier.expectExact(stage.search, line)
        #expect(line.count("duplicate") == 2 * 210, "\(line.fields)")
        #expect(line.count("delivered") == 210)
    }

    @Test func `after a kill old events with newer ones behind them are told apart`() throws {
        let stage = try stage()
        defer { stage.close() }
        let courier = Courier(stage.markers)
        var last = courier.body(7)
        for round in 0..<10 {
            try stage.restart()
            let port = try stage.port()
            if round > 0 {
                last = Courier.Body(events: last.events + courier.body(3).events)
                #expect(try courier.post(last, port: port) == 200)
            }
            last = courier.body(7)
            #expect(try courier.post(last, port: port) == 200)
            stage.process?.kill()
        }
        try stage.restart()
        stage.sendInvoke()
        let line = try stage.drainToTheEnd()
        courier.expectExact(stage.search, line)
        #expect(line.count("duplicate") == 9 * 7, "\(line.fields)")
    }

    @Test func `lost answers to the back end's bulk requests double nothing`() throws {
        let stage = try stage { $0.variables["PERMAFROST_BATCH_EVENTS"] = "10" }
        defer { stage.close() }
        stage.search.faults.set([
            Fault(.lostAnswer, every: 3), Fault(.halfAnswerThenClose, after: 1, every: 3),
            Fault(.fewerItems(3), after: 2, every: 3),
        ])
        var markers: [String] = []
        for _ in 0..<6 {
            let invocation = Invocation.warm(25)
            markers += try stage.environment.invoke(invocation).markers
        }
        eventually("everything is stored in spite of it", within: .seconds(60)) {
            markers.allSatisfy { stage.search.contains($0) }
        }
        stage.search.faults.clear()
        let line = try stage.drainToTheEnd()
        stage.expectBalance(line)
        #expect(line.count("delivered") == stage.search.documentCount)
    }

    @Test func `copies of one snapshot store what was before it once, and share no other id`() throws {
        let stage = try Stage { setup in
            setup.initializationType = .snapStart
            setup.variables["PERMAFROST_SPOOL_DIR"] = nil
        }
        defer { stage.close() }
        try stage.environment.start()
        #expect(stage.environment.deliverTelemetry())
        let snapshot = try stage.environment.snapshot()
        defer { snapshot.remove() }
        var received = 0
        for _ in 0..<3 {
            let copy = try snapshot.restore(markers: stage.markers, books: stage.books)
            defer { copy.close() }
            for _ in 0..<3 { try copy.invoke(.logging(10)) }
            let end = copy.shutdown()
            #expect(end.ends[Stage.name] == .exited(0))
            let line = try #require(ClosingLine.last(in: end.lines[Stage.name] ?? []))
            #expect(line.isBalanced && line.count("spooled") == 0, "\(line.fields)")
            received += line.count("received") ?? 0
        }
        let audit = stage.audit
        #expect(audit.isBalanced, "\(audit)")
        #expect(received > 90)
    }
}
