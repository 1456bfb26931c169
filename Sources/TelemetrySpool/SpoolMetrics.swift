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
        // While a spool is salvaged, and for what never could be, the former instances may have counted more.
        for former in former { own.subtract(former.ledger) }
        var groups = [
            metrics.group(instance: environment.text, isOwn: true, revision: metricRevision, ledger: own)
        ]
        for former in former where !former.isPushed {
            groups.append(
                former.metrics.group(instance: former.instance, isOwn: false, revision: 1, ledger: former.ledger))
        }
        return groups
    }

    func markPushed(instance: String) throws(SpoolError) {
        guard let index = former.firstIndex(where: { $0.instance == instance && !$0.isPushed }) else { return }
        try transaction(during: "metrics") { _ throws(SpoolError) in
            try connection.run("DELETE FROM series WHERE instance = ?", [.text(instance)], during: "metrics")
            try connection.run("DELETE FROM counters WHERE instance = ?", [.text(instance)], during: "metrics")
            try connection.run("UPDATE carried SET pushed = 1 WHERE instance = ?", [.text(instance)], during: "metrics")
        }
        former[index].isPushed = true
        former[index].metrics = MetricState()
    }
}
