import Foundation
import HTTPTransport
import TelemetryModel
import Testing

@testable import TelemetrySinks

/// Pushes to the distribution's own PushGateway and reads back what it made of them.
@Suite(.enabled(if: RealPushGateway.program != nil, RealPushGateway.reason), RealPushGateway())
struct RealPushGatewayTests {
    private let client: HTTPClient
    private let requests: PushRequest

    init() throws {
        client = try HTTPClient()
        requests = PushRequest(endpoint: try Endpoint(parsing: RealPushGateway.url), authentication: .none)
    }

    private func page() throws -> String {
        String(decoding: try client.perform(requests.list(.text)).body, as: UTF8.self)
    }

    private static func group(name: String) -> ExpositionGroup {
        var group = ExpositionTests.group()
        group.function.name = name
        return group
    }

    @Test func `a group is taken, replaced, and comes back as pushed`() throws {
        let key = GroupingKey(job: "taken", instance: "0123456789abcdef")
        for _ in 0..<2 {
            #expect(PushVerdict(try client.perform(requests.put(Self.group(name: "taken"), key: key))) == .delivered)
        }
        let page = try page()
        let labels = "function_name=\"taken\",function_version=\"$LATEST\",instance=\"0123456789abcdef\",job=\"taken\""
        #expect(page.contains("permafrost_invocation_duration_seconds{\(labels),quantile=\"0.99\"} 0.25\n"))
        #expect(page.contains("permafrost_invocation_duration_seconds_count{\(labels)} 1\n"))
        #expect(page.contains("permafrost_spooled_events{\(labels)} 7\n"))
        #expect(page.contains("# TYPE permafrost_ledger_events_total counter\n"))
    }

    @Test(arguments: ["a/b", "", "..", "a b", "ü\"\\\n<&>%", "a+b=c", "x?y#z"])
    func `a job or instance of any bytes makes one group and is removed as one`(value: String) throws {
        var group = Self.group(name: "any")
        group.function.version = value
        let key = GroupingKey(job: value.isEmpty ? "any" : value, instance: value + "!")
        #expect(try client.perform(requests.put(group, key: key)).status == 200)
        let label = LabelText.escaped(value)
        let line = "push_time_seconds{instance=\"\(label)!\",job=\"\(value.isEmpty ? "any" : label)\"}"
        #expect(try page().contains(line))
        #expect(PushVerdict(try client.perform(requests.delete(key))) == .delivered)
        // DELETE is queued, but in order with the next push.
        #expect(
            try client.perform(requests.put(Self.group(name: "after"), key: .init(job: "after", instance: "1"))).status
                == 200)
        #expect(try !page().contains(line))
    }

    @Test func `values and texts that a careless writer breaks on are taken`() throws {
        var group = Self.group(name: "edge\\\"\n\u{fffd}")
        group.summaries.append(.init(family: "permafrost_empty_seconds", sketch: QuantileSketch()))
        group.summaries.append(
            .init(family: "permafrost_tiny_seconds", sketch: ExpositionTests.sketch([1e-12, 1e-300])))
        group.summaries.append(.init(family: "permafrost_huge_bytes", sketch: ExpositionTests.sketch([1e300, 1e18])))
        group.summaries.append(.init(family: "permafrost_tiny_seconds_count", sketch: ExpositionTests.sketch([1])))
        group.counters.append(.init(family: CounterIncrement.events, labelValue: "we\"ird\n\\", count: 1))
        let response = try client.perform(requests.put(group, key: .init(job: "edge", instance: "1")))
        #expect(response.status == 200, "\(String(decoding: response.body, as: UTF8.self))")
    }

    @Test(arguments: [StaleGroups.Form.json, .text])
    func `of what a real gateway lists, only old groups of ours are removed`(form: StaleGroups.Form) throws {
        let job = "stale-\(form)"
        var ours = Self.group(name: job)
        var theirs = ours
        theirs.function.region = "us-east-1"
        func put(_ group: ExpositionGroup, _ instance: String) throws {
            let response = try client.perform(requests.put(group, key: .init(job: job, instance: instance)))
            #expect(response.status == 200)
        }
        try put(ours, "own")
        try put(ours, "old-1")
        try put(ours, "old/2 \"quoted\"")
        try put(theirs, "theirs")
        var zoned = requests.put(ours, key: .init(job: job, instance: "zoned"))
        zoned.url += "/zone/z"
        #expect(try client.perform(zoned).status == 200)
        // Refused, so that the group exists without a good push.
        var refused = requests.put(ours, key: .init(job: job, instance: "refused"))
        refused.body = Array("permafrost_environment_info 1 1\n".utf8)
        #expect(try client.perform(refused).status == 400)
        ours.function.name = "another"
        try put(ours, "another")

        let function = Self.group(name: job).function
        func stale(nowMs: Int64) throws -> Set<String> {
            let rule = try #require(
                StaleGroupRule(
                    own: .init(job: job, instance: "own"), function: function, maximumAge: .seconds(86_400),
                    nowMs: nowMs))
            var scan = StaleGroups(rule: rule, form: form)
            var request = requests.list(form)
            request.responseLimit = 8 << 20
            let body = try client.perform(request).body
            body.withUnsafeBytes { _ = scan.feed($0) }
            for key in scan.stale { #expect(PushVerdict(try client.perform(requests.delete(key))) == .delivered) }
            return Set(scan.stale.map(\.instance))
        }
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        #expect(try stale(nowMs: now).isEmpty)
        let inTwoDays = now + 2 * 86_400_000
        #expect(try stale(nowMs: inTwoDays) == ["old-1", "old/2 \"quoted\""])
        try put(Self.group(name: job), "own")
        #expect(try stale(nowMs: inTwoDays).isEmpty)
        #expect(try page().contains("zone=\"z\""))
    }

    @Test func `a page that is not there sends the look-up to the other`() throws {
        var request = requests.list(.json)
        request.url += "x"
        #expect(PushVerdict(try client.perform(request)) == .notFound)
    }
}

@Suite(.enabled(if: RealPushGateway.promtool != nil, RealPushGateway.promtoolReason))
struct PromtoolTests {
    @Test func `promtool finds nothing to say about our families`() throws {
        let promtool = try #require(RealPushGateway.promtool)
        let text = ExpositionTests.text(ExpositionTests.group())
        #expect(try Child.run(promtool, ["check", "metrics"], input: text) == "")
    }
}
