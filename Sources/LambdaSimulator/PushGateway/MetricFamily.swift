/// One family of the text format as it was pushed.
package struct MetricFamily: Equatable, Sendable {
    package enum Kind: String, Sendable {
        case counter, gauge, histogram, summary, untyped
    }

    package enum Value: Equatable, Sendable {
        case number(Double)
        /// Quantiles, or upper bounds of buckets, in the order they were pushed.
        case distribution(points: [Point], sum: Double, count: UInt64)
    }

    package struct Point: Equatable, Sendable {
        /// The quantile, or the upper bound.
        package var at: Double
        package var value: Double
    }

    package struct Metric: Equatable, Sendable {
        package var labels: [String: String]
        package var value: Value
        /// Milliseconds, when one was pushed; no gateway takes such a metric.
        package var timestamp: Int64?
    }

    package var name: String
    package var help: String?
    package var kind: Kind
    package var metrics: [Metric] = []
}

/// Numbers as Go's `strconv.FormatFloat(v, 'g', -1, 64)` prints them, and as its `ParseFloat` reads them.
enum GoFloat {
    static func format(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == 0 { return value.sign == .minus ? "-0" : "0" }
        let (digits, exponent) = decimal(abs(value))
        let sign = value < 0 ? "-" : ""
        return sign + (exponent < -4 || exponent >= 6 ? scientific(digits, exponent) : plain(digits, exponent))
    }

    private static func scientific(_ digits: [Character], _ exponent: Int) -> String {
        var text = String(digits.prefix(1))
        if digits.count > 1 { text += "." + String(digits.dropFirst()) }
        let size = abs(exponent)
        return text + (exponent < 0 ? "e-" : "e+") + (size < 10 ? "0\(size)" : "\(size)")
    }

    private static func plain(_ digits: [Character], _ exponent: Int) -> String {
        if exponent < 0 { return "0." + String(repeating: "0", count: -exponent - 1) + String(digits) }
        if digits.count <= exponent + 1 {
            return String(digits) + String(repeating: "0", count: exponent + 1 - digits.count)
        }
        return String(digits.prefix(exponent + 1)) + "." + String(digits.dropFirst(exponent + 1))
    }

    /// Shortest significant digits and the exponent of the first.
    private static func decimal(_ value: Double) -> (digits: [Character], exponent: Int) {
        let text = value.description
        let parts = text.split(separator: "e")
        var exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let mantissa = parts.first.map(String.init) ?? "0"
        let whole = mantissa.prefix { $0 != "." }
        exponent += whole.count - 1
        var digits = Array(mantissa.filter { $0 != "." })
        while digits.count > 1, digits.first == "0" {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.count > 1, digits.last == "0" { digits.removeLast() }
        return (digits, exponent)
    }

    static func parse(_ text: String) -> Double? {
        guard !text.isEmpty, !text.contains(where: { "pPxX_()".contains($0) }), let value = Double(text) else {
            return nil
        }
        // Out of range is an error, not infinity.
        if value.isInfinite, !text.lowercased().contains("inf") { return nil }
        return value
    }
}
