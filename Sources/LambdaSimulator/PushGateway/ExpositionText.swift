/// Families in the text format, as Go's `expfmt` writes them.
enum ExpositionText {
    static func write(_ families: [MetricFamily]) -> String {
        var text = ""
        for family in families {
            if let help = family.help {
                text += "# HELP \(family.name) \(escaped(help, quotes: false))\n"
            }
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            for metric in family.metrics.sorted(by: { signature($0) < signature($1) }) { append(metric, family, &text) }
        }
        return text
    }

    private static func signature(_ metric: MetricFamily.Metric) -> String { GroupStore.key(metric.labels) }

    private static func append(_ metric: MetricFamily.Metric, _ family: MetricFamily, _ text: inout String) {
        switch metric.value {
        case .number(let value): text += "\(family.name)\(labels(metric.labels)) \(GoFloat.format(value))\n"
        case .distribution(let points, let sum, let count):
            let isHistogram = family.kind == .histogram
            for point in points {
                let extra = (isHistogram ? "le" : "quantile", GoFloat.format(point.at))
                text += family.name + (isHistogram ? "_bucket" : "")
                text += "\(labels(metric.labels, extra)) \(GoFloat.format(point.value))\n"
            }
            text += "\(family.name)_sum\(labels(metric.labels)) \(GoFloat.format(sum))\n"
            text += "\(family.name)_count\(labels(metric.labels)) \(count)\n"
        }
    }

    private static func labels(_ labels: [String: String], _ extra: (String, String)? = nil) -> String {
        var pairs = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(escaped($0.value, quotes: true))\"" }
        if let extra { pairs.append("\(extra.0)=\"\(extra.1)\"") }
        return pairs.isEmpty ? "" : "{" + pairs.joined(separator: ",") + "}"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
