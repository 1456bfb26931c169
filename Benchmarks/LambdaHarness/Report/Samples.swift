/// Readings of one quantity, in the order they were taken.
struct Samples {
    private(set) var values: [Double] = []

    mutating func add(_ value: Double) { values.append(value) }

    var count: Int { values.count }

    /// The smallest value that at least `percent` of the readings do not exceed; 0 without readings.
    func percentile(_ percent: Double) -> Double {
        guard !values.isEmpty else { return 0 }
        let sorted = values.sorted()
        let rank = (percent / 100 * Double(sorted.count)).rounded(.up)
        return sorted[min(sorted.count - 1, max(0, Int(rank) - 1))]
    }

    var median: Double { percentile(50) }
    var largest: Double { values.max() ?? 0 }
}
