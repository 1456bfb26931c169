import TelemetryModel
import Testing

@testable import TelemetrySinks

@Suite struct StaleGroupsTests {
    static let function = FunctionIdentity(name: "f", version: "1", accountID: "123456789012", region: "eu-west-1")
    static let nowMs: Int64 = 1_800_000_000_000

    static func rule() -> StaleGroupRule? {
        StaleGroupRule(
            own: GroupingKey(job: "f", instance: "own"), function: function, maximumAge: .seconds(86_400), nowMs: nowMs)
    }

    struct Group {
        var labels: [String: String]
        var account: String? = "123456789012"
        var region = "eu-west-1"
        var name = "f"
        var pushTime = "1.7e+09"
    }

    static let groups: [Group] = [
        Group(labels: ["job": "f", "instance": "old"]),
        Group(labels: ["job": "f", "instance": "old-\"quoted\\"]),
        Group(labels: ["job": "f", "instance": "own"]),
        Group(labels: ["job": "f", "instance": "young"], pushTime: "1.79999e+09"),
        Group(labels: ["job": "f", "instance": "never"], pushTime: "0"),
        Group(labels: ["job": "f", "instance": "zoned", "zone": "z"]),
        Group(labels: ["job": "f", "instance": ""]),
        Group(labels: ["job": "g", "instance": "job"]),
        Group(labels: ["job": "f", "instance": "account"], account: "999999999999"),
        Group(labels: ["job": "f", "instance": "region"], region: "us-east-1"),
        Group(labels: ["job": "f", "instance": "function"], name: "g"),
        Group(labels: ["job": "f", "instance": "foreign"], account: nil),
    ]
    static let expected = ["old", "old-\"quoted\\"]

    static func json(_ groups: [Group]) -> String {
        func object(_ labels: [String: String]) -> String {
            let pairs = labels.sorted { $0.key < $1.key }.map { key, value in
                "\"\(key)\":\"\(value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
            }
            return "{\(pairs.joined(separator: ","))}"
        }
        let texts = groups.map { group in
            var info = ""
            if let account = group.account {
                let labels = group.labels.merging(
                    [
                        "function_name": group.name, "account_id": account, "region": group.region,
                        "function_version": "1",
                    ]
                ) { $1 }
                info =
                    "\"permafrost_environment_info\":{\"type\":\"GAUGE\",\"metrics\":[{\"labels\":\(object(labels)),\"value\":\"1\"}]},"
            }
            return """
                {"labels":\(object(group.labels)),"last_push_successful":true,\(info)\
                "permafrost_x":{"type":"SUMMARY","metrics":[{"count":"1","labels":{},"quantiles":{"0.5":"1"},"sum":"1"}]},\
                "push_time_seconds":{"type":"GAUGE","metrics":[{"labels":\(object(group.labels)),"value":"\(group.pushTime)"}]}}
                """
        }
        return "{\"status\":\"success\",\"data\":[\(texts.joined(separator: ","))]}"
    }

    static func text(_ groups: [Group]) -> String {
        var text = "# TYPE permafrost_environment_info gauge\n"
        for group in groups {
            guard let account = group.account else { continue }
            let labels = group.labels.merging(
                ["function_name": group.name, "account_id": account, "region": group.region, "function_version": "1"]
            ) { $1 }
            text +=
                "permafrost_environment_info\(LabelText.of(labels.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })) 1\n"
        }
        text += "# TYPE push_time_seconds gauge\n"
        for group in groups {
            let labels = group.labels.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            text += "push_time_seconds\(LabelText.of(labels)) \(group.pushTime)\n"
        }
        return text
    }

    private func stale(_ text: String, _ form: StaleGroups.Form, piece: Int = .max) throws -> [String] {
        var scan = StaleGroups(rule: try #require(Self.rule()), form: form)
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let bytes = Array(rest.prefix(piece))
            rest = rest.dropFirst(piece)
            if !bytes.withUnsafeBytes({ scan.feed($0) }) { break }
        }
        return scan.stale.map(\.instance)
    }

    @Test func `only old groups of our function, account and region with our grouping key are removed`() throws {
        #expect(try stale(Self.json(Self.groups), .json) == Self.expected)
        #expect(try stale(Self.text(Self.groups), .text) == Self.expected)
    }

    @Test func `the list reads the same in pieces of any size`() throws {
        for piece in 1...40 {
            #expect(try stale(Self.json(Self.groups), .json, piece: piece) == Self.expected)
            #expect(try stale(Self.text(Self.groups), .text, piece: piece) == Self.expected)
        }
    }

    @Test func `a list that breaks off removes only groups that were read whole`() throws {
        let json = Array(Self.json(Self.groups).utf8)
        for length in 0..<json.count {
            let found = try stale(String(decoding: json[..<length], as: UTF8.self), .json)
            #expect(found == Array(Self.expected.prefix(found.count)))
        }
        #expect(try stale("<html>", .json).isEmpty)
        #expect(try stale("<html>", .text).isEmpty)
    }

    @Test func `a group that is ours in one series and somebody's in another is left alone`() throws {
        let json = Self.json([Group(labels: ["job": "f", "instance": "old"])])
        let other =
            "{\"labels\":{\"function_name\":\"f\",\"account_id\":\"1\",\"region\":\"eu-west-1\"},\"value\":\"1\"}"
        let mixed = json.replacing(
            "\"metrics\":[{\"labels\":{\"account_id\"", with: "\"metrics\":[\(other),{\"labels\":{\"account_id\"")
        #expect(mixed != json)
        #expect(try stale(json, .json) == ["old"])
        #expect(try stale(mixed, .json).isEmpty)
    }

    @Test func `at most eight MiB of a list are read`() throws {
        var scan = StaleGroups(rule: try #require(Self.rule()), form: .text)
        let line = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
        var fed = 0
        var goesOn = true
        while goesOn, fed < 20 {
            goesOn = line.withUnsafeBytes { scan.feed($0) }
            fed += 1
        }
        #expect(fed == 8)
    }

    @Test func `without account, region or limit nothing is removed`() {
        func rule(_ function: FunctionIdentity, _ age: Duration) -> StaleGroupRule? {
            StaleGroupRule(own: GroupingKey(job: "f", instance: "own"), function: function, maximumAge: age, nowMs: 0)
        }
        #expect(rule(FunctionIdentity(name: "f", version: "1", region: "r"), .seconds(1)) == nil)
        #expect(rule(FunctionIdentity(name: "f", version: "1", accountID: "1"), .seconds(1)) == nil)
        #expect(rule(Self.function, .zero) == nil)
        #expect(rule(Self.function, .seconds(1)) != nil)
    }
}
