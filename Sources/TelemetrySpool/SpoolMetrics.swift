import TelemetryModel

extension Spool {
    /// The groups to push: first our own, then those of environments before a quarantine that were not pushed since.
    /// Empty while there is no environment id.
    package func metricGroups() throws(SpoolError) -> [MetricGroup] {
        try withStore { store throws(SpoolError) in try store.metricGroups() }
    }

    /// The group of a former environment has been pushed: it is not given again.
    package func markPushed(instance: String) throws(SpoolError) {
        try withStore { store throws(SpoolError) in try store.markPushed(instance: instance) }
    }
}

extension SpoolStore {
    func metricGroups() throws(SpoolError) -> [MetricGroup] {
        guard let environment = row.environmentID else { return [] }
        var own = ledger
        for (entry, count) in carried.events where entry.outcome != .spooled {
            // While a spool is salvaged, and for what never could be, the former instances may have counted more.
            own.add(-min(count, own[entry.outcome, entry.reason]), entry.outcome, entry.reason)
        }
        var groups = [
            metrics.group(instance: environment.text, isOwn: true, revision: metricRevision, ledger: own)
        ]
        for instance in formerInstances {
            var ledger = Ledger()
            try connection.query(
                "SELECT outcome, reason, events FROM carried WHERE instance = ?", [.text(instance)], during: "metrics"
            ) { row in
                if let outcome = row.text(0).flatMap(LedgerOutcome.init) {
                    ledger.add(row.int(2), outcome, row.text(1) ?? "")
                }
                return true
            }
            groups.append(
                try MetricState.load(instance: instance, from: connection)
                    .group(instance: instance, isOwn: false, revision: 1, ledger: ledger))
        }
        return groups
    }

    func markPushed(instance: String) throws(SpoolError) {
        guard formerInstances.contains(instance) else { return }
        try transaction(during: "metrics") { _ throws(SpoolError) in
            try connection.run("DELETE FROM series WHERE instance = ?", [.text(instance)], during: "metrics")
            try connection.run("DELETE FROM counters WHERE instance = ?", [.text(instance)], during: "metrics")
            // What it counted stays: it is taken off our own numbers for ever.
            try connection.run("UPDATE carried SET pushed = 1 WHERE instance = ?", [.text(instance)], during: "metrics")
        }
        formerInstances.removeAll { $0 == instance }
    }
}
