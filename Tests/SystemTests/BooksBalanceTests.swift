import LambdaSimulator
import Testing

/// Invariant: `received = duplicate + filtered + joined + delivered + rejected + discarded + spooled`.
@Suite(.together) struct BooksBalanceTests {
    @Test func `the closing line has the literal form that alarms are built on`() throws {
        let stage = try Stage()
        defer { stage.close() }
        try stage.environment.invoke(.logging(5))
        let outcome = stage.environment.shutdown()
        let line = try #require(outcome.lines[Stage.name]?.last?.text)
        let form =
            /permafrost event=shutdown reason=spindown received=\d+ duplicate=0 filtered=0 joined=0 delivered=\d+ rejected=0 discarded=0 spooled=0 platform_dropped=0/
        #expect(try form.wholeMatch(in: line) != nil, "\(line)")
    }

    @Test func `the numbers are those of what was sent`() throws {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_TYPES"] = "platform,function,extension"
            setup.variables["PERMAFROST_LOG_LEVEL"] = "debug"
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "20"
        }
        defer { stage.close() }
        stage.search.faults.set([Fault(.status(503), after: 1, count: 2)])
        for round in 0..<6 {
            var invocation = Invocation.logging(20)
            if round == 3 { invocation.ending = .functionError("Order.NotFound") }
            try stage.environment.invoke(invocation)
            if round == 2 { stage.environment.publisher()?.redeliver(.sameBody) }
        }
        #expect(stage.environment.deliverTelemetry())
        let line = try stage.drainToTheEnd()
        #expect(line.isBalanced, "\(line.fields)")
        let books = stage.books.snapshot
        #expect(line.count("received") == books.acknowledgedElements, "\(line.fields)")
        #expect((line.count("duplicate") ?? 0) > 0)
        #expect(line.count("delivered") == stage.search.documentCount)
        #expect(stage.audit.doubled.isEmpty)
        // Our own lines came back on the extension stream: they are filtered, and nothing else is missing.
        #expect(line.count("filtered") == stage.audit.missing.count, "\(stage.audit) \(line.fields)")
    }

    @Test func `our own lines on the extension stream are filtered, and breed no others while the back end fails`()
        throws
    {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_TYPES"] = "function,extension"
            setup.variables["PERMAFROST_LOG_LEVEL"] = "debug"
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "1"
        }
        defer { stage.close() }
        stage.search.faults.set([Fault(.status(503), path: "/")])
        for _ in 0..<5 { try stage.environment.invoke(.warm(1)) }
        eventually("the back end has failed often") { stage.search.requestCount > 4 }
        #expect(stage.environment.deliverTelemetry())
        let line = try stage.shutdown().books
        let printed = stage.lines.count
        let filtered = try #require(line.count("filtered"))
        #expect(filtered > 0 && filtered <= printed, "\(line.fields)")
        #expect(line.count("received") == 5 + filtered, "\(line.fields)")
        #expect(line.count("spooled") == 5, "\(line.fields)")
        #expect(printed <= stage.search.requestCount + 10, "more lines than faults")
        #expect(line.isBalanced)
    }

    @Test func `what the platform dropped is beside the books`() throws {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_TYPES"] = "function"
        }
        defer { stage.close() }
        try stage.environment.start()
        let courier = Courier(stage.markers)
        let dropped = [
            courier.event(
                record: #"{"droppedBytes":73120,"droppedRecords":612,"reason":"{marker}"}"#,
                type: "platform.logsDropped"),
            courier.event(
                record: #"{"droppedBytes":1,"droppedRecords":8,"reason":"{marker}"}"#, type: "platform.logsDropped"),
        ]
        #expect(try courier.post(Courier.Body(events: dropped), port: try stage.port()) == 200)
        let line = try stage.drainToTheEnd()
        #expect(line.count("platform_dropped") == 620, "\(line.fields)")
        courier.expectExact(stage.search, line)
    }

    @Test func `with a gateway alone log events are filtered and not stored`() throws {
        let stage = try Stage(gateway: true) { $0.variables["PERMAFROST_OPENSEARCH_URL"] = nil }
        defer { stage.close() }
        for _ in 0..<3 { try stage.environment.invoke(.logging(10)) }
        let line = try stage.shutdown().books
        #expect(line.isBalanced)
        #expect(line.count("filtered") == line.count("received"), "\(line.fields)")
        #expect(stage.search.requestCount == 0)
        #expect(stage.gateway?.families["permafrost_invocation_duration_seconds"] != nil)
    }

    @Test func `records cut in parts are joined, and a part without its other half is delivered as text`() throws {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_TYPES"] = "function"
        }
        defer { stage.close() }
        let long = String(repeating: "warehouse ", count: 60_000)
        for placement in CutPlacement.allCases {
            try stage.replaceEnvironment { $0.publisher.cutPlacement = placement }
            try stage.environment.invoke(Invocation(logs: [.text("before"), .text(long + "\"ä\\"), .text("after")]))
            #expect(stage.environment.deliverTelemetry())
        }
        let courier = Courier(stage.markers)
        let parts = courier.cutInTwo()
        #expect(try stage.postRaw(parts.head, port: try stage.port()) == 200)
        let line = try stage.drainToTheEnd()
        #expect(line.isBalanced, "\(line.fields)")
        #expect((line.count("joined") ?? 0) >= CutPlacement.allCases.count, "\(line.fields)")
        let audit = stage.audit
        #expect(audit.missing.isEmpty && audit.doubled.isEmpty, "\(audit)")
        #expect(stage.search.contains(parts.marker), "the part without its other half is lost")
        let whole = stage.search.documents().count { $0.source.count > 550_000 }
        #expect(whole == CutPlacement.allCases.count)
    }
}
