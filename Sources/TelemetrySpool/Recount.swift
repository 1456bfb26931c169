/// A count of the rows that were there when the process started, in slices, while rows come and go.
///
/// Rows that come later have higher ids and are not looked at. A row that goes before it was counted takes its events
/// out of what is expected. So the comparison at the end is exact, whatever happened in between.
struct Recount {
    private(set) var cursor: Int64 = 0
    let end: Int64
    private var expected: Int
    private var counted = 0

    init(end: Int64, expected: Int) {
        self.end = end
        self.expected = expected
    }

    mutating func removed(id: Int64, events: Int) {
        if id > cursor, id < end { expected -= events }
    }

    mutating func count(id: Int64, events: Int) {
        cursor = id
        counted += events
    }

    /// Events that the ledger counts as spooled and that no row holds; below 0 when there are more than it knows.
    var missing: Int { expected - counted }
}
