/// A group as `GET /api/v1/metrics` prints it: all values as text, members sorted by name.
enum GroupJSON {
    static func make(_ group: GroupStore.Group) -> JSONValue {
        let stamp = WallClock.iso8601(ms: Int64(group.pushTime * 1000))
        var members: [JSONValue.Member] = [
            .init("labels", labels(group.labels)), .init("last_push_successful", .bool(group.isLastPushGood)),
        ]
        for family in Array(group.families.values) + GroupStore.timeFamilies(group) {
            var parts: [JSONValue.Member] = [
                .init("time_stamp", .string(stamp)), .init("type", .string(family.kind.rawValue.uppercased())),
            ]
            if let help = family.help { parts.append(.init("help", .string(help))) }
            parts.append(.init("metrics", .array(family.metrics.map { metric($0, family.kind) })))
            members.append(.init(family.name, .object(parts)))
        }
        return .object(members.sorted { $0.name < $1.name })
    }

    private static func labels(_ labels: [String: String]) -> JSONValue {
        .object(labels.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })
    }

    private static func metric(_ metric: MetricFamily.Metric, _ kind: MetricFamily.Kind) -> JSONValue {
        switch metric.value {
        case .number(let value): return ["labels": labels(metric.labels), "value": .string(GoFloat.format(value))]
        case .distribution(let points, let sum, let count):
            let values = points.map { JSONValue.Member(GoFloat.format($0.at), .string(GoFloat.format($0.value))) }
            return .object([
                .init("count", .string(String(count))), .init("labels", labels(metric.labels)),
                .init(kind == .histogram ? "buckets" : "quantiles", .object(values)),
                .init("sum", .string(GoFloat.format(sum))),
            ])
        }
    }
}
