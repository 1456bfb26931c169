import TelemetryModel

/// An instance before a quarantine: its group is pushed once more under its own name.
struct FormerInstance {
    let instance: String
    /// What of the ledger it counted. It stays after the push: it is taken off our own numbers for ever.
    var ledger = Ledger()
    var isPushed = false
    /// Empty after the push.
    var metrics = MetricState()

    /// Oldest first, without their metrics.
    static func load(
        from connection: Connection, _ body: (FormerInstance) -> Void
    ) throws(SpoolError) {
        var loading: FormerInstance?
        defer { if let loading { body(loading) } }
        try connection.query(
            "SELECT instance, outcome, reason, events, pushed FROM carried ORDER BY rowid", during: "load"
        ) { row in
            let instance = row.text(0) ?? ""
            if let former = loading, former.instance != instance {
                body(former)
                loading = nil
            }
            var former = loading ?? FormerInstance(instance: instance)
            former.isPushed = row.integer(4) != 0
            if let outcome = row.text(1).flatMap(LedgerOutcome.init) {
                former.ledger.add(row.int(3), outcome, row.text(2) ?? "")
            }
            loading = former
            return true
        }
    }

    func save(to connection: Connection) throws(SpoolError) {
        // An empty entry makes the instance known even when it counted nothing.
        var entries: [LedgerEntry: Int] = [LedgerEntry(.received): 0]
        for (entry, count) in ledger.events where entry.outcome != .spooled && count > 0 { entries[entry] = count }
        for (entry, count) in entries {
            try connection.run(
                "INSERT OR IGNORE INTO carried VALUES (?, ?, ?, ?, ?)",
                [
                    .text(instance), .text(entry.outcome.rawValue), .text(entry.reason), .integer(count),
                    .integer(isPushed ? 1 : 0),
                ], during: "quarantine")
        }
        try metrics.save(instance: instance, to: connection)
    }
}

extension Ledger {
    /// Takes off what others counted, never more than there is. What lies in the spool is nobody's.
    mutating func subtract(_ other: Ledger) {
        for (entry, count) in other.events where entry.outcome != .spooled {
            add(-min(count, self[entry.outcome, entry.reason]), entry.outcome, entry.reason)
        }
    }
}
