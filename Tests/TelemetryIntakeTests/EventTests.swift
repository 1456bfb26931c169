import Deflate
import TelemetryModel
import Testing

@testable import TelemetryIntake

@Suite struct AttributionTests {
    private func invocations(_ batch: EncodedBatch) throws -> [String] {
        try batch.documents().map { try $0.member("faas")?.member("invocation_id") ?? "-" }
    }

    private func start(_ id: String) -> String { #"{"type":"platform.start","record":{"requestId":"\#(id)"}}"# }
    private func done(_ id: String, _ kind: String = "runtimeDone") -> String {
        #"{"type":"platform.\#(kind)","record":{"requestId":"\#(id)","status":"success"}}"#
    }
    private let line = #"{"type":"function","record":"x"}"#

    @Test func `a text line belongs to the invocation started before it, over bodies`() throws {
        let intake = try Intake()
        let first = intake.post("[\(line),\(start("r1")),\(line)]")
        #expect(try invocations(first) == ["-", #""r1""#, #""r1""#])
        #expect(intake.state.invocationID == "r1")
        let second = intake.post("[\(line),\(done("r1")),\(line),\(start("r2")),\(done("r1", "report")),\(line)]")
        #expect(try invocations(second) == [#""r1""#, #""r1""#, "-", #""r2""#, #""r1""#, #""r2""#])
        #expect(second.finishedInvocations == ["r1", "r1"])
        #expect(second.reportedInvocations == ["r1"])
        #expect(intake.state.invocationID == "r2")
    }

    @Test(arguments: ["initStart", "restoreStart"])
    func `a new initialisation ends what ran`(kind: String) throws {
        let intake = try Intake()
        let batch = intake.post("[\(start("r1")),{\"type\":\"platform.\(kind)\",\"record\":{}},\(line)]")
        #expect(try invocations(batch) == [#""r1""#, "-", "-"])
        #expect(intake.state.invocationID == nil)
    }

    @Test(arguments: ["requestId", "AWSRequestId", "awsRequestId", "aws_request_id"])
    func `a JSON line's own request id goes before the current one`(key: String) throws {
        let intake = try Intake()
        let own = #"{"type":"function","record":{"\#(key)":"own","level":"INFO"}}"#
        let none = #"{"type":"function","record":{"\#(key)":7,"nested":{"requestId":"no"}}}"#
        let batch = intake.post("[\(start("r1")),\(own),\(none),{\"type\":\"extension\",\"record\":\"y\"}]")
        #expect(try invocations(batch) == [#""r1""#, #""own""#, #""r1""#, #""r1""#])
    }

    @Test func `on Managed Instances only a record's own request id counts`() throws {
        let intake = try Intake(Fixtures.configuration(managedInstances: true))
        let batch = intake.post(#"[\#(start("r1")),\#(line),{"type":"function","record":{"requestId":"own"}}]"#)
        #expect(try invocations(batch) == [#""r1""#, "-", #""own""#])
        #expect(intake.state.invocationID == nil)
    }

    @Test func `an id with escapes is compared by what it says and written as valid JSON`() throws {
        let intake = try Intake()
        intake.post("[\(start(#"a\u0062\"c"#))]")
        #expect(intake.state.invocationID == "ab\"c")
        let batch = intake.post("[\(line),\(done(#"ab\"c"#)),\(line)]")
        #expect(try invocations(batch) == [#""ab\"c""#, #""ab\"c""#, "-"])
    }
}

@Suite struct ChunkTests {
    private func priority(_ element: String) throws -> Priority {
        try #require(try Intake().post("[\(element)]").chunks.first).priority
    }

    @Test func `failures come before platform events before plain lines`() throws {
        #expect(try priority(#"{"type":"function","record":"ERROR in a text"}"#) == .line)
        #expect(try priority(#"{"type":"extension","record":{"level":"WARN"}}"#) == .line)
        #expect(try priority(#"{"type":"platform.start","record":{"requestId":"r"}}"#) == .platform)
        #expect(try priority(#"{"type":"platform.report","record":{"status":"success"}}"#) == .platform)
        #expect(try priority(#"{"type":"new.kind","record":{}}"#) == .platform)
        #expect(try priority(#"{"type":"platform.report","record":{"status":"timeout"}}"#) == .failure)
        #expect(try priority(#"{"type":"platform.runtimeDone","record":{"status":"error"}}"#) == .failure)
        #expect(try priority(#"{"type":"function","record":{"level":"error"}}"#) == .failure)
        #expect(try priority(#"{"type":"function","record":{"level":"FATAL"}}"#) == .failure)
        #expect(try priority(#"{"type":"function","record":{"errorType":"Error"}}"#) == .failure)
        #expect(try priority(#"{"type":"function","record":{"errorType":null,"a":{"level":"ERROR"}}}"#) == .line)
    }

    @Test func `plain lines go apart when they are many, together when they are few`() throws {
        let line = #"{"type":"function","record":"\#(String(repeating: "x", count: 1_000))"}"#
        let report = #"{"type":"platform.report","record":{"status":"timeout"}}"#
        func post(_ count: Int) throws -> [Chunk] {
            try Intake().post("[" + (Array(repeating: line, count: count) + [report]).joined(separator: ",") + "]")
                .chunks
        }
        let few = try post(10)
        #expect(few.map(\.events) == [11])
        #expect(few.map(\.priority) == [.failure])
        #expect(Set(few.flatMap(\.indices)) == ["lambda-function", "lambda-platform"])
        let many = try post(100)
        #expect(many.map(\.events) == [1, 100])
        #expect(many.map(\.priority) == [.failure, .line])
        #expect(many.map(\.indices) == [["lambda-platform"], ["lambda-function"]])
    }

    @Test func `no chunk is longer than a request may be, a longer document stands alone`() throws {
        let limit = 10_000
        let intake = try Intake(Fixtures.configuration(requestBytes: limit))
        let elements = (0..<200).map { index in
            let length = index == 100 ? 30_000 : 50 + index * 7 % 900
            return
                #"{"type":"\#(index % 3 == 0 ? "platform.x" : "function")","record":"\#(String(repeating: "x", count: length))"}"#
        }
        let batch = intake.post("[" + elements.joined(separator: ",") + "]")
        #expect(batch.chunks.count > 5)
        for chunk in batch.chunks {
            #expect(chunk.linesLength <= limit || chunk.events == 1)
            let lines = try Inflater.inflate(stored: chunk.stored, length: chunk.linesLength)
            #expect(lines.withUnsafeBytes { CRC32.of($0) } == chunk.linesCRC)
            #expect(chunk.stored.withUnsafeBytes { CRC32.of($0) } == chunk.storedCRC)
            #expect(lines.count { $0 == 0x0a } == 2 * chunk.events)
        }
        #expect(batch.chunks.contains { $0.linesLength > limit })
        #expect(batch.chunks.reduce(0) { $0 + $1.events } == 200)
        #expect(try batch.documents().count == 200)
    }
}

@Suite struct FilterTests {
    private let body =
        #"[{"type":"extension","record":"permafrost event=x"},{"type":"extension","record":{"message":"permafrost event=y"}},{"type":"extension","record":"another"},{"type":"function","record":"permafrost is cold"}]"#

    @Test func `our own lines do not come back`() throws {
        let batch = try Intake().post(body)
        #expect(batch.ledger[.filtered, LedgerReason.ownLine] == 2)
        #expect(batch.ledger[.spooled, ""] == 2)
        #expect(try batch.records() == [#"{"message":"another"}"#, #"{"message":"permafrost is cold"}"#])
    }

    @Test func `without a sink for events they are filtered, metrics go on`() throws {
        let intake = try Intake(Fixtures.configuration(storesEvents: false))
        let batch = intake.post(
            #"[{"type":"platform.report","record":{"metrics":{"durationMs":5}}},{"type":"function","record":"x}]"#)
        #expect(batch.chunks.isEmpty)
        #expect(batch.ledger[.filtered, LedgerReason.noSink] == 2)
        #expect(batch.ledger.imbalance == 0)
        #expect(batch.observations.map(\.value) == [0.005])
        #expect(batch.state.heldParts.isEmpty)
    }

    @Test func `a held part that turns out to be filtered leaves the spool's books`() throws {
        let intake = try Intake()
        intake.post(#"[{"time":"T","type":"extension","record":"perma}]"#)
        let batch = intake.post(#"[{"time":"T","type":"extension","record":frost event=x"}]"#)
        #expect(batch.chunks.isEmpty)
        #expect(intake.ledger[.filtered, LedgerReason.ownLine] == 1)
        #expect(intake.ledger[.spooled, ""] == 0)
        #expect(intake.ledger.imbalance == 0)
    }
}

@Suite struct ObservationTests {
    private func report(_ metrics: String, kind: String = "report") -> String {
        #"{"type":"platform.\#(kind)","record":{"requestId":"r","status":"success","metrics":{\#(metrics)}}}"#
    }

    @Test func `a report becomes summaries in base units`() throws {
        let batch = try Intake().post(
            "[\(report(#""durationMs":139.27,"billedDurationMs":628,"memorySizeMB":512,"maxMemoryUsedMB":118,"initDurationMs":488.4,"restoreDurationMs":7,"billedRestoreDurationMs":8,"producedBytes":42,"networkIOCount":3"#))]"
        )
        let expected: [(String, Double)] = [
            ("permafrost_invocation_duration_seconds", 0.13927),
            ("permafrost_invocation_billed_duration_seconds", 0.628),
            ("permafrost_invocation_memory_size_bytes", 536_870_912),
            ("permafrost_invocation_max_memory_used_bytes", 123_731_968),
            ("permafrost_invocation_init_duration_seconds", 0.4884),
            ("permafrost_invocation_restore_duration_seconds", 0.007),
            ("permafrost_invocation_billed_restore_duration_seconds", 0.008),
            ("permafrost_invocation_produced_bytes", 42),
            ("permafrost_invocation_network_io_count", 3),
        ]
        #expect(batch.observations.map(\.family) == expected.map(\.0))
        for (observation, value) in zip(batch.observations, expected) {
            #expect(abs(observation.value - value.1) <= value.1 * 1e-12)
        }
        #expect(batch.observations.allSatisfy { $0.requestID == nil })
    }

    @Test func `init and restore reports have families of their own`() throws {
        let batch = try Intake().post(
            "[\(report(#""durationMs":500"#, kind: "initReport")),\(report(#""durationMs":250"#, kind: "restoreReport")),\(report(#""durationMs":1"#, kind: "runtimeDone"))]"
        )
        #expect(
            batch.observations == [
                Observation(family: "permafrost_init_duration_seconds", value: 0.5),
                Observation(family: "permafrost_restore_duration_seconds", value: 0.25),
            ])
    }

    @Test func `what is no finite number from 0 on is counted, not observed`() throws {
        let batch = try Intake().post(
            "[\(report(#""durationMs":-1,"memorySizeMB":1e400,"aMs":"12.5","b":"text","c":null,"d":{"e":1},"f":true"#))]"
        )
        #expect(batch.observations.isEmpty)
        let unobserved = batch.counters.filter { $0.family == CounterIncrement.unobserved }
        #expect(
            unobserved.map(\.labelValue) == [
                "permafrost_invocation_duration_seconds", "permafrost_invocation_memory_size_bytes",
                "permafrost_invocation_a_seconds",
            ])
    }

    @Test func `names from outside open a bounded number of families, in their alphabet`() throws {
        let metrics = (0..<200).map { "\"Odd näme-\($0)\":1" }.joined(separator: ",")
        let batch = try Intake().post("[\(report(metrics)),\(report(#""durationMs":1000"#))]")
        let families = Set(batch.observations.map(\.family))
        #expect(families.count <= 64)
        #expect(families.contains("permafrost_invocation_duration_seconds"))
        #expect(families.contains("permafrost_invocation_odd_n_me_0"))
        let allowed = Set("abcdefghijklmnopqrstuvwxyz0123456789_")
        #expect(families.allSatisfy { $0.allSatisfy(allowed.contains) })
        #expect(batch.counters.first { $0.family == CounterIncrement.unobserved }?.labelValue == "other")
        #expect(batch.counters.first { $0.family == CounterIncrement.unobserved }?.count == 200 - (families.count - 1))
    }

    @Test func `invocations, events and what the platform dropped are counted`() throws {
        let statuses = ["success", "timeout", "success", "strange"].map {
            #"{"type":"platform.report","record":{"status":"\#($0)"}}"#
        }
        let drops = ["612", "-5", #""7""#, "1.5"].map {
            #"{"type":"platform.logsDropped","record":{"droppedRecords":\#($0)}}"#
        }
        let others = [
            #"{"type":"platform.report","record":{}}"#, #"{"type":"function","record":"x"}"#, #"{"record":"x"}"#,
            #"{"type":"a b\"","record":"x"}"#, "5",
        ]
        let batch = try Intake().post("[" + (statuses + drops + others).joined(separator: ",") + "]")
        func count(_ family: String, _ label: String) -> Int {
            batch.counters.first { $0.family == family && $0.labelValue == label }?.count ?? 0
        }
        #expect(count(CounterIncrement.invocations, "success") == 2)
        #expect(count(CounterIncrement.invocations, "timeout") == 1)
        #expect(count(CounterIncrement.invocations, "other") == 1)
        #expect(count(CounterIncrement.invocations, "unknown") == 1)
        #expect(count(CounterIncrement.platformDropped, "") == 612)
        #expect(count(CounterIncrement.events, "platform.report") == 5)
        #expect(count(CounterIncrement.events, "platform.logsDropped") == 4)
        #expect(count(CounterIncrement.events, "function") == 1)
        #expect(count(CounterIncrement.events, "unknown") == 2)
        #expect(batch.counters.filter { $0.family == CounterIncrement.events }.reduce(0) { $0 + $1.count } == 13)
    }

    @Test func `with the request id label observations carry it`() throws {
        let intake = try Intake(Fixtures.configuration(requestIDLabel: true))
        #expect(intake.post("[\(report(#""durationMs":1"#))]").observations.map(\.requestID) == ["r"])
    }

    @Test func `a thousand types are counted as 64 and others`() throws {
        let body = "[" + (0..<1_000).map { #"{"type":"t\#($0)"}"# }.joined(separator: ",") + "]"
        let events = try Intake().post(body).counters.filter { $0.family == CounterIncrement.events }
        #expect(events.count == 65)
        #expect(events.last == CounterIncrement(family: CounterIncrement.events, labelValue: "other", count: 936))
    }
}
