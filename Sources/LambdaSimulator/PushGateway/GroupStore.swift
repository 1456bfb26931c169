/// The groups of a ``FakePushGateway`` and the checks that a push must pass.
struct GroupStore: Sendable {
    struct Group: Sendable {
        var labels: [String: String]
        var families: [String: MetricFamily] = [:]
        /// Unix seconds; 0: never.
        var pushTime = 0.0
        var failureTime = 0.0
        var isLastPushGood = false
    }

    private(set) var groups: [String: Group] = [:]
    /// Fewer checks, as `--push.disable-consistency-check`.
    var checksConsistency = true

    static func key(_ labels: [String: String]) -> String {
        labels.sorted { $0.key < $1.key }.map { "\($0.key)\u{1}\($0.value)" }.joined(separator: "\u{2}")
    }

    /// Families of the gateway itself, with their types.
    static let ownFamilies: [String: MetricFamily.Kind] = {
        var families: [String: MetricFamily.Kind] = [
            "go_gc_duration_seconds": .summary, "go_memstats_alloc_bytes_total": .counter,
            "go_memstats_frees_total": .counter, "go_memstats_lookups_total": .counter,
            "go_memstats_mallocs_total": .counter, "process_cpu_seconds_total": .counter,
            "pushgateway_http_push_duration_seconds": .summary, "pushgateway_http_push_size_bytes": .summary,
            "pushgateway_http_requests_total": .counter, "pushgateway_build_info": .gauge,
        ]
        let gauges = [
            "go_goroutines", "go_info", "go_threads", "go_memstats_alloc_bytes", "go_memstats_buck_hash_sys_bytes",
            "go_memstats_gc_sys_bytes", "go_memstats_heap_alloc_bytes", "go_memstats_heap_idle_bytes",
            "go_memstats_heap_inuse_bytes", "go_memstats_heap_objects", "go_memstats_heap_released_bytes",
            "go_memstats_heap_sys_bytes", "go_memstats_last_gc_time_seconds", "go_memstats_mcache_inuse_bytes",
            "go_memstats_mcache_sys_bytes", "go_memstats_mspan_inuse_bytes", "go_memstats_mspan_sys_bytes",
            "go_memstats_next_gc_bytes", "go_memstats_other_sys_bytes", "go_memstats_stack_inuse_bytes",
            "go_memstats_stack_sys_bytes", "go_memstats_sys_bytes", "process_max_fds", "process_open_fds",
            "process_resident_memory_bytes", "process_start_time_seconds", "process_virtual_memory_bytes",
            "process_virtual_memory_max_bytes",
        ]
        for name in gauges { families[name] = .gauge }
        return families
    }()

    static let pushTime = "push_time_seconds"
    static let failureTime = "push_failure_time_seconds"

    /// Labels of a group win over those of the samples; without an `instance` an empty one is added.
    private static func merged(_ family: MetricFamily, _ labels: [String: String]) -> MetricFamily {
        var family = family
        for index in family.metrics.indices {
            family.metrics[index].labels.merge(labels) { $1 }
            if family.metrics[index].labels["instance"] == nil { family.metrics[index].labels["instance"] = "" }
        }
        return family
    }

    /// `pushed` parsed already. Returns the refusal; a refused push still makes the group.
    mutating func push(
        _ pushed: [String: MetricFamily], labels: [String: String], replacesAll: Bool, now: Double
    ) -> String? {
        let key = Self.key(labels)
        var group = groups[key] ?? Group(labels: labels)
        let families = pushed.filter { $0.key != Self.pushTime && $0.key != Self.failureTime }
            .mapValues { Self.merged($0, labels) }
        if let problem = problem(families, in: key, replacesAll: replacesAll) {
            group.failureTime = now
            group.isLastPushGood = false
            groups[key] = group
            return "pushed metrics are invalid or inconsistent with existing metrics: \(problem)"
        }
        if replacesAll { group.families = [:] }
        group.families.merge(families) { $1 }
        group.pushTime = now
        group.isLastPushGood = true
        groups[key] = group
        return nil
    }

    @discardableResult
    mutating func delete(_ labels: [String: String]) -> Bool { groups.removeValue(forKey: Self.key(labels)) != nil }

    private func problem(_ families: [String: MetricFamily], in key: String, replacesAll: Bool) -> String? {
        if families.values.contains(where: { $0.metrics.contains { $0.timestamp != nil } }) {
            return "pushed metrics must not have timestamps"
        }
        guard checksConsistency else { return nil }
        var rest = groups
        if replacesAll {
            rest[key]?.families = [:]
        } else {
            for name in families.keys { rest[key]?.families[name] = nil }
        }
        for family in families.values.sorted(by: { $0.name < $1.name }) {
            let others = rest.values.compactMap { $0.families[family.name] }
            if let own = Self.ownFamilies[family.name], own != family.kind {
                return "gathered metric family \(family.name) has type \(family.kind.rawValue.uppercased()) but should "
                    + "have \(own.rawValue.uppercased())"
            }
            if let other = others.first(where: { $0.kind != family.kind }) {
                return "collected metric \"\(family.name)\" is not a \(other.kind.rawValue.uppercased())"
            }
            if let problem = Self.collision(family, rest.values.flatMap(\.families.values) + families.values) {
                return problem
            }
            var seen = Set(others.flatMap { $0.metrics.map { Self.key($0.labels) } })
            for metric in family.metrics where !seen.insert(Self.key(metric.labels)).inserted {
                return "collected metric \"\(family.name)\" was collected before with the same name and label values"
            }
        }
        return nil
    }

    /// A summary `x` owns `x_sum` and `x_count`, a histogram `x_bucket` too.
    private static func collision(_ family: MetricFamily, _ all: [MetricFamily]) -> String? {
        func suffixes(_ kind: MetricFamily.Kind) -> [String] {
            switch kind {
            case .summary: ["_count", "_sum"]
            case .histogram: ["_count", "_sum", "_bucket"]
            default: []
            }
        }
        for other in all where other.name != family.name {
            for suffix in suffixes(other.kind) where other.name + suffix == family.name {
                return "collected metric named \"\(family.name)\" collides with previously collected "
                    + "\(other.kind.rawValue) named \"\(other.name)\""
            }
            for suffix in suffixes(family.kind) where family.name + suffix == other.name {
                return "collected \(family.kind.rawValue) named \"\(family.name)\" collides with previously collected "
                    + "metric named \"\(other.name)\""
            }
        }
        return nil
    }

    /// All families as a scrape sees them, those the gateway adds to each group included, by name.
    var scraped: [MetricFamily] {
        var all: [String: MetricFamily] = [:]
        for (_, group) in groups.sorted(by: { $0.key < $1.key }) {
            for family in Array(group.families.values) + Self.timeFamilies(group) {
                if all[family.name] == nil {
                    all[family.name] = family
                } else {
                    all[family.name]?.metrics += family.metrics
                }
            }
        }
        return all.values.sorted { $0.name < $1.name }
    }

    static func timeFamilies(_ group: Group) -> [MetricFamily] {
        func family(_ name: String, _ help: String, _ value: Double) -> MetricFamily {
            let metric = MetricFamily.Metric(labels: [:], value: .number(value), timestamp: nil)
            return merged(MetricFamily(name: name, help: help, kind: .gauge, metrics: [metric]), group.labels)
        }
        return [
            family(
                failureTime, "Last Unix time when changing this group in the Pushgateway failed.", group.failureTime),
            family(pushTime, "Last Unix time when changing this group in the Pushgateway succeeded.", group.pushTime),
        ]
    }
}
