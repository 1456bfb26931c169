package import TelemetryModel

/// Everything one push sends: the cumulative state of one instance.
package struct MetricGroup: Equatable, Sendable {
    package struct Summary: Equatable, Sendable {
        package var family: String
        package var requestID: String?
        package var sketch: QuantileSketch

        package init(family: String, requestID: String?, sketch: QuantileSketch) {
            self.family = family
            self.requestID = requestID
            self.sketch = sketch
        }
    }

    package struct Counter: Equatable, Sendable {
        package var family: String
        /// Empty for a family without label.
        package var labelValue: String
        package var count: Int

        package init(family: String, labelValue: String, count: Int) {
            self.family = family
            self.labelValue = labelValue
            self.count = count
        }
    }

    /// An environment id: the group's `instance`.
    package var instance: String
    /// False for the group of an environment before a quarantine: push it once, then ``Spool/markPushed(instance:)``.
    package var isOwn: Bool
    package var revision: UInt64
    /// By family, then oldest request first.
    package var summaries: [Summary]
    /// By family and label.
    package var counters: [Counter]
    /// What this instance counted. In a group that is not our own `spooled` is left out: those events went on to us.
    package var ledger: Ledger

    package init(
        instance: String, isOwn: Bool, revision: UInt64, summaries: [Summary], counters: [Counter], ledger: Ledger
    ) {
        self.instance = instance
        self.isOwn = isOwn
        self.revision = revision
        self.summaries = summaries
        self.counters = counters
        self.ledger = ledger
    }
}

/// The metric state of one instance in memory, equal to its rows after every commit.
struct MetricState {
    static let labelValues = 64
    static let requests = 200
    /// Summaries without a request id: the report's metrics are fixed by the platform, but not by us.
    static let families = 64
    static let other = "other"

    struct SeriesKey: Hashable {
        var family: String
        /// Empty for none.
        var requestID: String
    }

    struct CounterKey: Hashable {
        var family: String
        var label: String
    }

    /// What a batch changes, computed on a copy of only what it touches.
    struct Change {
        var series: [SeriesKey: QuantileSketch] = [:]
        var counters: [CounterKey: Int] = [:]
        var requests: [String]
        var droppedRequests: [String] = []

        var isEmpty: Bool { series.isEmpty && counters.isEmpty }
    }

    private var series: [SeriesKey: QuantileSketch] = [:]
    private var counters: [CounterKey: Int] = [:]
    /// Oldest first.
    private var requests: [String] = []

    func change(observations: [Observation], counters increments: [CounterIncrement]) -> Change {
        var change = Change(requests: requests)
        var increments = increments
        for observation in observations {
            let request = observation.requestID ?? ""
            let key = SeriesKey(family: observation.family, requestID: request)
            if !request.isEmpty, !change.requests.contains(request) {
                change.requests.append(request)
                while change.requests.count > Self.requests {
                    let dropped = change.requests.removeFirst()
                    change.droppedRequests.append(dropped)
                    change.series = change.series.filter { $0.key.requestID != dropped }
                }
            }
            var sketch = change.series[key] ?? series[key]
            if sketch == nil, request.isEmpty, familyCount(with: change) >= Self.families {
                increments.append(CounterIncrement(family: CounterIncrement.unobserved, labelValue: Self.other))
                continue
            }
            sketch = sketch ?? QuantileSketch()
            sketch?.observe(observation.value)
            change.series[key] = sketch
        }
        for increment in increments where increment.count != 0 {
            var key = CounterKey(family: increment.family, label: increment.labelValue)
            if change.counters[key] == nil, counters[key] == nil,
                labelCount(of: key.family, with: change) >= Self.labelValues
            {
                key.label = Self.other
            }
            let (sum, overflow) = (change.counters[key] ?? counters[key] ?? 0).addingReportingOverflow(increment.count)
            change.counters[key] = overflow ? .max : sum
        }
        return change
    }

    private func familyCount(with change: Change) -> Int {
        var keys = Set(series.keys)
        keys.formUnion(change.series.keys)
        return keys.count { $0.requestID.isEmpty }
    }

    /// Label values of a family; `other` is not one of the counted.
    private func labelCount(of family: String, with change: Change) -> Int {
        var keys = Set(counters.keys)
        keys.formUnion(change.counters.keys)
        return keys.count { $0.family == family && $0.label != Self.other }
    }

    mutating func apply(_ change: Change) {
        requests = change.requests
        for request in change.droppedRequests { series = series.filter { $0.key.requestID != request } }
        series.merge(change.series) { $1 }
        counters.merge(change.counters) { $1 }
    }

    static func save(_ change: Change, to connection: Connection) throws(SpoolError) {
        for request in change.droppedRequests {
            try connection.run(
                "DELETE FROM series WHERE instance = '' AND request_id = ?", [.text(request)], during: "metrics")
        }
        for (key, sketch) in change.series {
            try connection.run(
                """
                INSERT INTO series (instance, family, request_id, sketch) VALUES ('', ?, ?, ?)
                ON CONFLICT (instance, family, request_id) DO UPDATE SET sketch = excluded.sketch
                """, [.text(key.family), .text(key.requestID), .blob(sketch.encoded())], during: "metrics")
        }
        for (key, count) in change.counters {
            try connection.run(
                """
                INSERT INTO counters (instance, family, label, count) VALUES ('', ?, ?, ?)
                ON CONFLICT (instance, family, label) DO UPDATE SET count = excluded.count
                """, [.text(key.family), .text(key.label), .integer(count)], during: "metrics")
        }
    }

    /// Adds the rows of an instance, which is empty for our own. What was read before an error stays.
    mutating func load(instance: String, from connection: Connection) throws(SpoolError) {
        try connection.query(
            "SELECT family, request_id, sketch FROM series WHERE instance = ? ORDER BY id", [.text(instance)],
            during: "load"
        ) { row in
            let key = SeriesKey(family: row.text(0) ?? "", requestID: row.text(1) ?? "")
            series[key] = QuantileSketch(encoded: row.blob(2))
            if !key.requestID.isEmpty, !requests.contains(key.requestID) { requests.append(key.requestID) }
            return true
        }
        try connection.query(
            "SELECT family, label, count FROM counters WHERE instance = ?", [.text(instance)], during: "load"
        ) { row in
            counters[CounterKey(family: row.text(0) ?? "", label: row.text(1) ?? "")] = row.int(2)
            return true
        }
    }

    /// All of it, as the rows of a former instance.
    func save(instance: String, to connection: Connection) throws(SpoolError) {
        let order = Dictionary(zip(requests, requests.indices)) { first, _ in first }
        for (key, sketch) in series.sorted(by: {
            (order[$0.key.requestID] ?? -1, $0.key.family) < (order[$1.key.requestID] ?? -1, $1.key.family)
        }) {
            try connection.run(
                "INSERT OR IGNORE INTO series (instance, family, request_id, sketch) VALUES (?, ?, ?, ?)",
                [.text(instance), .text(key.family), .text(key.requestID), .blob(sketch.encoded())],
                during: "quarantine")
        }
        for (key, count) in counters {
            try connection.run(
                "INSERT OR IGNORE INTO counters (instance, family, label, count) VALUES (?, ?, ?, ?)",
                [.text(instance), .text(key.family), .text(key.label), .integer(count)], during: "quarantine")
        }
    }

    func group(instance: String, isOwn: Bool, revision: UInt64, ledger: Ledger) -> MetricGroup {
        let order = Dictionary(zip(requests, requests.indices)) { first, _ in first }
        return MetricGroup(
            instance: instance, isOwn: isOwn, revision: revision,
            summaries: series.sorted {
                ($0.key.family, order[$0.key.requestID] ?? -1) < ($1.key.family, order[$1.key.requestID] ?? -1)
            }.map {
                MetricGroup.Summary(
                    family: $0.key.family, requestID: $0.key.requestID.isEmpty ? nil : $0.key.requestID,
                    sketch: $0.value)
            },
            counters: counters.sorted { ($0.key.family, $0.key.label) < ($1.key.family, $1.key.label) }.map {
                MetricGroup.Counter(family: $0.key.family, labelValue: $0.key.label, count: $0.value)
            },
            ledger: ledger)
    }
}
