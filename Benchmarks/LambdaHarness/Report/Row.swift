/// One figure of the printed table.
struct Row {
    /// What a figure is held against; smaller is better unless `larger` is set.
    struct Bounds {
        var budget: Double
        var stretch: Double
        var largerIsBetter = false

        func isWithin(_ bound: Double, _ value: Double) -> Bool { largerIsBetter ? value >= bound : value <= bound }
    }

    var what: String
    var value: Double
    var unit: String
    var bounds: Bounds?
    /// The input, what else was read in the same run, and what the figure does not hold.
    var notes: [String]
    /// A figure that must hold whatever the machine: it decides the exit status.
    var isCorrectness = false

    var verdict: String {
        guard let bounds else { return "" }
        if bounds.isWithin(bounds.stretch, value) { return "ok, stretch" }
        return bounds.isWithin(bounds.budget, value) ? "ok" : isCorrectness ? "FAILED" : "MISSED"
    }

    var isFailed: Bool { isCorrectness && verdict == "FAILED" }

    static func number(_ value: Double) -> String {
        if value == value.rounded(), abs(value) < 1e9 { return String(Int(value)) }
        let digits = abs(value) >= 100 ? 0 : abs(value) >= 10 ? 1 : abs(value) >= 1 ? 2 : 3
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let whole = Int((abs(value) * scale).rounded())
        let sign = value < 0 ? "-" : ""
        guard digits > 0 else { return sign + String(whole) }
        let fraction = String(whole % Int(scale))
        let zeros = String(repeating: "0", count: digits - fraction.count)
        return sign + String(whole / Int(scale)) + "." + zeros + fraction
    }
}
