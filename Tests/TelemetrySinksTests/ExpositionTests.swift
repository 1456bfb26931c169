import TelemetryModel
import Testing

@testable import TelemetrySinks

@Suite struct ExpositionTests {
    static func sketch(_ values: [Double]) -> QuantileSketch {
        var sketch = QuantileSketch()
        for value in values { sketch.observe(value) }
        return sketch
    }

    static func group() -> ExpositionGroup {
        var ledger = Ledger()
        ledger.add(212, .received)
        ledger.add(3, .duplicate)
        ledger.add(2, .filtered, LedgerReason.ownLine)
        ledger.add(200, .delivered)
        ledger.add(7, .spooled)
        return ExpositionGroup(
            function: FunctionIdentity(
                name: "checkout", version: "$LATEST", accountID: "123456789012", region: "eu-west-1"),
            summaries: [
                .init(family: "permafrost_invocation_duration_seconds", sketch: sketch([0.25])),
                .init(family: "permafrost_invocation_duration_seconds", requestID: "r-1", sketch: sketch([0.25])),
                .init(family: "permafrost_invocation_max_memory_used_bytes", sketch: sketch([134_217_728])),
            ],
            counters: [
                .init(family: CounterIncrement.platformDropped, count: 4),
                .init(family: CounterIncrement.invocations, labelValue: "success", count: 11),
                .init(family: CounterIncrement.invocations, labelValue: "error", count: 1),
            ], ledger: ledger)
    }

    static func text(_ group: ExpositionGroup) -> String {
        String(decoding: Exposition.text(of: group), as: UTF8.self)
    }

    @Test func `a group is written in one literal form`() {
        #expect(
            Self.text(Self.group()) == """
                # HELP permafrost_environment_info The function, account and region that the environment belongs to; always 1.
                # TYPE permafrost_environment_info gauge
                permafrost_environment_info{function_name="checkout",function_version="$LATEST",account_id="123456789012",region="eu-west-1"} 1
                # HELP permafrost_invocation_duration_seconds Duration of an invocation, runtime and extensions.
                # TYPE permafrost_invocation_duration_seconds summary
                permafrost_invocation_duration_seconds{function_name="checkout",function_version="$LATEST",request_id="r-1",quantile="0.5"} 0.25
                permafrost_invocation_duration_seconds{function_name="checkout",function_version="$LATEST",request_id="r-1",quantile="0.9"} 0.25
                permafrost_invocation_duration_seconds{function_name="checkout",function_version="$LATEST",request_id="r-1",quantile="0.99"} 0.25
                permafrost_invocation_duration_seconds_sum{function_name="checkout",function_version="$LATEST",request_id="r-1"} 0.25
                permafrost_invocation_duration_seconds_count{function_name="checkout",function_version="$LATEST",request_id="r-1"} 1
                permafrost_invocation_duration_seconds{function_name="checkout",function_version="$LATEST",quantile="0.5"} 0.25
                permafrost_invocation_duration_seconds{function_name="checkout",function_version="$LATEST",quantile="0.9"} 0.25
                permafrost_invocation_duration_seconds{function_name="checkout",function_version="$LATEST",quantile="0.99"} 0.25
                permafrost_invocation_duration_seconds_sum{function_name="checkout",function_version="$LATEST"} 0.25
                permafrost_invocation_duration_seconds_count{function_name="checkout",function_version="$LATEST"} 1
                # HELP permafrost_invocation_max_memory_used_bytes Most memory that an invocation had used.
                # TYPE permafrost_invocation_max_memory_used_bytes summary
                permafrost_invocation_max_memory_used_bytes{function_name="checkout",function_version="$LATEST",quantile="0.5"} 134217728
                permafrost_invocation_max_memory_used_bytes{function_name="checkout",function_version="$LATEST",quantile="0.9"} 134217728
                permafrost_invocation_max_memory_used_bytes{function_name="checkout",function_version="$LATEST",quantile="0.99"} 134217728
                permafrost_invocation_max_memory_used_bytes_sum{function_name="checkout",function_version="$LATEST"} 134217728
                permafrost_invocation_max_memory_used_bytes_count{function_name="checkout",function_version="$LATEST"} 1
                # HELP permafrost_invocations_total Finished invocations by status.
                # TYPE permafrost_invocations_total counter
                permafrost_invocations_total{function_name="checkout",function_version="$LATEST",status="error"} 1
                permafrost_invocations_total{function_name="checkout",function_version="$LATEST",status="success"} 11
                # HELP permafrost_ledger_events_total Log events by what became of them, and losses by reason.
                # TYPE permafrost_ledger_events_total counter
                permafrost_ledger_events_total{function_name="checkout",function_version="$LATEST",outcome="delivered",reason=""} 200
                permafrost_ledger_events_total{function_name="checkout",function_version="$LATEST",outcome="duplicate",reason=""} 3
                permafrost_ledger_events_total{function_name="checkout",function_version="$LATEST",outcome="filtered",reason="own_line"} 2
                permafrost_ledger_events_total{function_name="checkout",function_version="$LATEST",outcome="joined",reason=""} 0
                permafrost_ledger_events_total{function_name="checkout",function_version="$LATEST",outcome="received",reason=""} 212
                # HELP permafrost_platform_dropped_records_total Records that the platform reported as dropped before they reached us.
                # TYPE permafrost_platform_dropped_records_total counter
                permafrost_platform_dropped_records_total{function_name="checkout",function_version="$LATEST"} 4
                # HELP permafrost_spooled_events Log events that wait in the spool of the environment.
                # TYPE permafrost_spooled_events gauge
                permafrost_spooled_events{function_name="checkout",function_version="$LATEST"} 7

                """)
    }

    @Test func `a family that would get the whole body refused is left out`() {
        var group = Self.group()
        let sketch = Self.sketch([1])
        for family in [
            "permafrost_invocation_duration_seconds_sum", "permafrost_invocation_duration_seconds_count",
            "go_goroutines",
            "permafrost_a-b", "permafrost_ü", CounterIncrement.invocations, MetricFamily.environment, "",
        ] {
            group.summaries.append(.init(family: family, sketch: sketch))
        }
        group.counters.append(.init(family: "process_x", count: 1))
        #expect(Self.text(group) == Self.text(Self.group()))
    }

    @Test func `the same series twice is written once`() {
        var group = Self.group()
        group.summaries += group.summaries
        group.counters += group.counters
        #expect(Self.text(group) == Self.text(Self.group()))
    }

    @Test func `label values get the format's three escapes and no others`() {
        #expect(LabelText.of([("a", "x\\y\"z\n\t{}")]) == "{a=\"x\\\\y\\\"z\\n\t{}\"}")
        #expect(LabelText.of([]) == "")
    }

    @Test(
        arguments: [
            (0.1, "0.1"), (0, "0"), (1, "1"), (-0.5, "-0.5"), (1e-7, "1e-07"), (1.5e300, "1.5e+300"), (.nan, "NaN"),
            (.infinity, "+Inf"), (-.infinity, "-Inf"), (134_217_728, "134217728"), (1e15, "1000000000000000"),
            (1e16, "1e+16"),
            (0.30000000000000004, "0.30000000000000004"),
        ] as [(Double, String)])
    func `a value is the shortest decimal that reads back`(value: Double, text: String) {
        #expect(SampleValue.text(value) == text)
    }

    @Test func `a summary without observations has NaN for quantiles`() {
        let group = ExpositionGroup(
            function: FunctionIdentity(name: "f", version: "1"),
            summaries: [.init(family: "permafrost_x_seconds", sketch: QuantileSketch())])
        #expect(Self.text(group).contains("quantile=\"0.5\"} NaN\n"))
        #expect(Self.text(group).contains("permafrost_x_seconds_count{function_name=\"f\",function_version=\"1\"} 0\n"))
    }
}

@Suite struct GroupingKeyTests {
    @Test(arguments: [
        ("checkout-worker", "http://g:9091/p/metrics/job/checkout-worker/instance/9f2c"),
        ("team/checkout", "http://g:9091/p/metrics/job%40base64/dGVhbS9jaGVja291dA/instance/9f2c"),
        ("", "http://g:9091/p/metrics/job%40base64/%3D/instance/9f2c"),
        ("a b", "http://g:9091/p/metrics/job%40base64/YSBi/instance/9f2c"),
        ("..", "http://g:9091/p/metrics/job%40base64/Li4/instance/9f2c"),
        ("ü>?", "http://g:9091/p/metrics/job%40base64/w7w-Pw/instance/9f2c"),
    ])
    func `a value that a path cannot carry goes as base64`(job: String, url: String) throws {
        let endpoint = try Endpoint(parsing: "g:9091/p", form: .urlOrHost)
        #expect(GroupingKey(job: job, instance: "9f2c").url(at: endpoint) == url)
    }
}
