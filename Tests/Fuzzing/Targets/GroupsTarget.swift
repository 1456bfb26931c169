import LambdaSimulator
import TelemetryModel
import TelemetrySinks

/// A PushGateway's list of groups, as JSON or as text: a seed, whose lowest bit is the form, then the page.
enum GroupsTarget {
    private static let function = FunctionIdentity(
        name: "f", version: "1", accountID: "123456789012", region: "eu-west-1")
    private static let nowMs: Int64 = 1_800_000_000_000
    private static let own = GroupingKey(job: "f", instance: "own")

    static func check(_ input: [UInt8]) throws {
        guard let seed = input.first,
            let rule = StaleGroupRule(own: own, function: function, maximumAge: .seconds(86_400), nowMs: nowMs)
        else { return }
        let form = seed & 1 == 0 ? StaleGroups.Form.json : .text
        let page = Array(input.dropFirst())
        let stale = stale([page[...]], form, rule)
        for pieces in Pieces.everyWay(page, seed: seed).dropFirst() {
            try expectEqual(self.stale(pieces, form, rule), stale, "in \(pieces.count) pieces")
        }
        for key in stale { try expect(key.job == "f" && !["", "own"].contains(key.instance), "removes \(key)") }
        switch form {
        case .text: for key in stale { try isNamed(key, in: page) }
        case .json:
            if Oracle.isStrict(page), let value = try? StrictJSON.parse(page) { try expected(stale, value, page.count) }
        }
    }

    private static func stale(
        _ pieces: [ArraySlice<UInt8>], _ form: StaleGroups.Form, _ rule: StaleGroupRule
    ) -> [GroupingKey] {
        var groups = StaleGroups(rule: rule, form: form)
        for piece in pieces where !piece.withUnsafeBytes({ groups.feed($0) }) { break }
        return groups.stale
    }

    /// A group that is removed has a series of ours, and a time of its last push. (Escapes aside.)
    private static func isNamed(_ key: GroupingKey, in page: [UInt8]) throws {
        guard !key.instance.unicodeScalars.contains("\u{fffd}") else { return }
        let label =
            Array("instance=\"".utf8)
            + withoutBackslashes(key.instance.utf8.map { $0 == 0x0a ? UInt8(ascii: "n") : $0 })
        let lines = page.split(separator: 0x0a).map { withoutBackslashes($0) }
        for family in ["permafrost_environment_info{", "push_time_seconds{"] {
            try expect(
                lines.contains { $0.starts(with: family.utf8) && holds($0, label) }, "\(key) has no \(family)")
        }
    }

    private static func withoutBackslashes(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        bytes.filter { $0 != UInt8(ascii: "\\") }
    }

    private static func holds(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
        bytes.indices.contains { bytes[$0...].starts(with: part) }
    }

    /// Of JSON without repeated names everything is known in advance.
    private static func expected(_ stale: [GroupingKey], _ page: JSONValue, _ size: Int) throws {
        var expected: [GroupingKey] = []
        var isWithinBounds = size <= 2048
        for group in page["data"]?.elements ?? [] {
            let environments = group["permafrost_environment_info", "metrics"]?.elements ?? []
            isWithinBounds = isWithinBounds && environments.count <= 16
            let labels = group["labels"]?.members?.filter { $0.value.text != nil } ?? []
            let series = environments.filter { $0.members != nil || $0.elements != nil }
            guard labels.count == 2, group["labels", "job"]?.text == "f",
                let instance = group["labels", "instance"]?.text, !["", "own"].contains(instance), !series.isEmpty,
                series.allSatisfy({ isOurs($0) }), let time = pushTime(group), time > 0,
                time < Double(nowMs) / 1000 - 86_400
            else { continue }
            expected.append(GroupingKey(job: "f", instance: instance))
        }
        for key in stale { try expect(expected.contains(key), "removes \(key)") }
        if isWithinBounds { try expectEqual(stale, expected, "stale") }
    }

    private static func isOurs(_ series: JSONValue) -> Bool {
        series["labels", "function_name"]?.text == "f" && series["labels", "account_id"]?.text == "123456789012"
            && series["labels", "region"]?.text == "eu-west-1"
    }

    /// The last that is given.
    private static func pushTime(_ group: JSONValue) -> Double? {
        var time: Double?
        for series in group["push_time_seconds", "metrics"]?.elements ?? [] {
            switch series["value"] {
            case .string(let text): time = Double(text)
            case .number(let text): time = Double(text.prefix(32))
            default: continue
            }
        }
        return time
    }
}
