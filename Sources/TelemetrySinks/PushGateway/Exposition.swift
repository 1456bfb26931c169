package import TelemetryModel

/// Everything that one environment pushes: cumulative state, from which a body is rebuilt for every try. An old body
/// sent late would turn totals back.
package struct ExpositionGroup: Sendable {
    package struct Summary: Sendable {
        /// In base units, for example `permafrost_invocation_duration_seconds`.
        package var family: String
        /// Set only with `PERMAFROST_METRIC_REQUEST_ID`.
        package var requestID: String?
        package var sketch: QuantileSketch

        package init(family: String, requestID: String? = nil, sketch: QuantileSketch) {
            self.family = family
            self.requestID = requestID
            self.sketch = sketch
        }
    }

    package struct Counter: Sendable {
        package var family: String
        /// Of the family's one label (``CounterIncrement/label(of:)``); empty for a family without.
        package var labelValue: String
        package var count: Int

        package init(family: String, labelValue: String = "", count: Int) {
            self.family = family
            self.labelValue = labelValue
            self.count = count
        }
    }

    package var function: FunctionIdentity
    package var summaries: [Summary]
    package var counters: [Counter]
    package var ledger: Ledger

    package init(
        function: FunctionIdentity, summaries: [Summary] = [], counters: [Counter] = [], ledger: Ledger = Ledger()
    ) {
        self.function = function
        self.summaries = summaries
        self.counters = counters
        self.ledger = ledger
    }
}

/// The text format 0.0.4 of a group, as PushGateway takes it: no timestamps, each family once with its HELP and TYPE,
/// families and series in a fixed order.
///
/// Family names that are none of ours or not valid, and those that would collide with another summary's `_sum` or
/// `_count`, are left out: one of them would get the whole body refused.
package enum Exposition {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package static func text(of group: ExpositionGroup) -> [UInt8] {
        var families: [String: Family] = [:]
        let common = [("function_name", group.function.name), ("function_version", group.function.version)]

        for counter in group.counters where isOurs(counter.family) {
            var labels = common
            if let label = CounterIncrement.label(of: counter.family) { labels.append((label, counter.labelValue)) }
            families[counter.family, default: Family(.counter)].addSample(labels, String(counter.count))
        }
        for (entry, count) in ledgerEntries(group.ledger) where entry.outcome != .spooled {
            let labels = common + [("outcome", entry.outcome.rawValue), ("reason", entry.reason)]
            families[MetricFamily.ledger, default: Family(.counter)].addSample(labels, String(count))
        }
        // A gauge and no counter: it falls.
        families[MetricFamily.spooled, default: Family(.gauge)]
            .addSample(common, String(group.ledger.total(.spooled)))
        families[MetricFamily.environment, default: Family(.gauge)].addSample(
            common + [
                ("account_id", group.function.accountID ?? ""), ("region", group.function.region ?? ""),
            ], "1")
        addSummaries(group.summaries, common: common, to: &families)

        var text = ""
        for name in families.keys.sorted() {
            guard let family = families[name] else { continue }
            family.write(name, to: &text)
        }
        return Array(text.utf8)
    }

    private static func addSummaries(
        _ summaries: [ExpositionGroup.Summary], common: [(String, String)], to families: inout [String: Family]
    ) {
        let names = Set(summaries.map(\.family))
        for summary in summaries where isOurs(summary.family) {
            let isTaken = families[summary.family].map { $0.kind != .summary } ?? false
            let isPart = ["_sum", "_count", "_bucket"].contains {
                summary.family.hasSuffix($0) && names.contains(String(summary.family.dropLast($0.utf8.count)))
            }
            guard !isTaken, !isPart else { continue }
            let labels = common + (summary.requestID.map { [("request_id", $0)] } ?? [])
            families[summary.family, default: Family(.summary)].addSummary(labels, summary.sketch)
        }
    }

    /// Outcomes that need no reason are there from the start, at zero; losses appear with their reason.
    private static func ledgerEntries(_ ledger: Ledger) -> [LedgerEntry: Int] {
        var entries = ledger.events
        for outcome in [LedgerOutcome.received, .duplicate, .joined, .delivered] {
            entries[LedgerEntry(outcome), default: 0] += 0
        }
        return entries
    }

    private static func isOurs(_ family: String) -> Bool {
        family.hasPrefix("permafrost_")
            && family.utf8.allSatisfy {
                PercentEncoding.isUnreserved($0) && $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ".")
                    && $0 != UInt8(ascii: "~")
            }
    }
}

/// One family's samples, by their label text: a second sample with the same labels replaces the first.
private struct Family {
    enum Kind: String { case counter, gauge, summary }

    let kind: Kind
    /// Lines of a series by its labels, written in the order of the labels.
    private var series: [String: Lines] = [:]

    private enum Lines {
        case value(String)
        case summary(labels: [(String, String)], QuantileSketch)
    }

    init(_ kind: Kind) {
        self.kind = kind
    }

    mutating func addSample(_ labels: [(String, String)], _ value: String) {
        guard kind != .summary else { return }
        series[LabelText.of(labels)] = .value(value)
    }

    mutating func addSummary(_ labels: [(String, String)], _ sketch: QuantileSketch) {
        guard kind == .summary else { return }
        series[LabelText.of(labels)] = .summary(labels: labels, sketch)
    }

    func write(_ name: String, to text: inout String) {
        text += "# HELP \(name) \(MetricFamily.help(of: name))\n# TYPE \(name) \(kind.rawValue)\n"
        for (labels, lines) in series.sorted(by: { $0.key < $1.key }) {
            switch lines {
            case .value(let value): text += "\(name)\(labels) \(value)\n"
            case .summary(let pairs, let sketch):
                for (quantile, label) in [(0.5, "0.5"), (0.9, "0.9"), (0.99, "0.99")] {
                    let all = LabelText.of(pairs + [("quantile", label)])
                    text += "\(name)\(all) \(SampleValue.text(sketch.quantile(quantile)))\n"
                }
                text += "\(name)_sum\(labels) \(SampleValue.text(sketch.sum))\n\(name)_count\(labels) \(sketch.count)\n"
            }
        }
    }
}

/// `{name="value",…}` with the three escapes that the format has.
enum LabelText {
    static func of(_ labels: [(String, String)]) -> String {
        guard !labels.isEmpty else { return "" }
        return "{" + labels.map { "\($0.0)=\"\(escaped($0.1))\"" }.joined(separator: ",") + "}"
    }

    /// A `String` holds no invalid UTF-8: what came in broken was repaired when it was made.
    static func escaped(_ value: String) -> String {
        var result = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// A sample's value as Go's `ParseFloat` reads it: the shortest decimal that reads back the same.
enum SampleValue {
    static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == value.rounded(), abs(value) < 0x1p53 { return String(Int64(value)) }
        return value.description
    }
}
