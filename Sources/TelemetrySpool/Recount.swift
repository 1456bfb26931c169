/// A count of the rows that were there when the process started, in slices, while rows come and go.
///
/// Rows that come later have higher ids and are not looked at. A row that goes before it was counted takes its numbers
/// out of what is expected. So the comparison at the end is exact, whatever happened in between.
struct Recount {
    private(set) var cursor: Int64 = 0
    let end: Int64
    private var expected: Sums
    private var counted = Sums()

    private struct Sums {
        /// By the ledger.
        var events = 0
        /// By the environment's row.
        var total = ChunkSums()
        var waiting = ChunkSums()

        mutating func subtract(_ sums: ChunkSums, isWaiting: Bool) {
            events -= sums.events
            total = total - sums
            if isWaiting { waiting = waiting - sums }
        }
    }

    /// - Parameter events: that the ledger counts as spooled in rows.
    init(end: Int64, events: Int, total: ChunkSums, waiting: ChunkSums) {
        self.end = end
        self.expected = Sums(events: events, total: total, waiting: waiting)
    }

    private func isAhead(_ id: Int64) -> Bool { id > cursor && id < end }

    mutating func removed(id: Int64, sums: ChunkSums, isWaiting: Bool) {
        if isAhead(id) { expected.subtract(sums, isWaiting: isWaiting) }
    }

    /// A row that was never tried waits for its retry now.
    mutating func postponed(id: Int64, sums: ChunkSums) {
        if isAhead(id) { expected.waiting = expected.waiting + sums }
    }

    mutating func count(id: Int64, sums: ChunkSums, isWaiting: Bool) {
        cursor = id
        counted.events += sums.events
        counted.total = counted.total + sums
        if isWaiting { counted.waiting = counted.waiting + sums }
    }

    /// Events that the ledger counts as spooled and that no row holds; below 0 when there are more than it knows.
    var missingEvents: Int { expected.events - counted.events }
    /// The same for the sums of all rows, and of those that wait.
    var missing: ChunkSums { expected.total - counted.total }
    var missingWaiting: ChunkSums { expected.waiting - counted.waiting }
}
