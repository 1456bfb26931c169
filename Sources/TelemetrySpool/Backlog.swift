/// What waits for the back end.
package struct Backlog: Equatable, Sendable {
    /// All rows, claimed ones included.
    package var total = ChunkSums()
    /// Rows that were never tried and that nobody has claimed: what thresholds look at.
    package var ready = ChunkSums()
    /// Rows that nobody has claimed and that wait for their retry, due or not.
    package var waiting = ChunkSums()
    package var claimed = ChunkSums()
    /// When the oldest of `ready` was received, milliseconds since 1970; nil when there is none.
    package var oldestMs: Int64?
    /// When the first of `waiting` is due; nil when there is none.
    package var nextRetryMs: Int64?

    package init() {}

    package var chunks: Int { total.chunks }
    package var events: Int { total.events }
    package var bytes: Int { total.bytes }
    package var isEmpty: Bool { total.chunks == 0 }

    package func isRetryDue(nowMs: Int64) -> Bool {
        nextRetryMs.map { $0 <= nowMs || $0 > Self.farthestRetryMs(nowMs: nowMs) } ?? false
    }

    /// No row is put off for longer than the hour that a server may ask for, and half a minute of our own: a time
    /// beyond was written before the wall clock was set back, and counts as passed.
    static func farthestRetryMs(nowMs: Int64) -> Int64 {
        let (farthest, overflow) = nowMs.addingReportingOverflow(3_630_000)
        return overflow ? .max : farthest
    }
}
