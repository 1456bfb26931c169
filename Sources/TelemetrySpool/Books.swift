package import TelemetryModel

/// The books as of the last commit.
package struct Books: Equatable, Sendable {
    package var ledger = Ledger()
    /// Records the platform says it dropped.
    package var platformDropped = 0
    /// Losses that nobody can count: a quarantined spool whose ledger was unreadable. Say `unknown`, not 0.
    package var unknownLosses = false
    /// Changes with everything a push would show.
    package var metricRevision: UInt64 = 0

    package init() {}
}

extension Ledger {
    /// Books that cannot be are not readable.
    static func load(from connection: Connection) throws(SpoolError) -> Ledger {
        var ledger = Ledger()
        var isPlausible = true
        try connection.query("SELECT outcome, reason, events FROM ledger", during: "load") { row in
            isPlausible = SpoolSchema.counts.contains(row.int(2))
            if isPlausible, let outcome = row.text(0).flatMap(LedgerOutcome.init) {
                ledger.add(row.int(2), outcome, row.text(1) ?? "")
            }
            return isPlausible
        }
        guard isPlausible else { throw .corrupt }
        return ledger
    }

    /// Adds these events to the rows of the table.
    func add(to connection: Connection) throws(SpoolError) {
        for (entry, count) in events where count != 0 {
            try connection.run(
                """
                INSERT INTO ledger VALUES (?, ?, ?)
                ON CONFLICT (outcome, reason) DO UPDATE SET events = events + excluded.events
                """, [.text(entry.outcome.rawValue), .text(entry.reason), .integer(count)], during: "ledger")
        }
    }
}
