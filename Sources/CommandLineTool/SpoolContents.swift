import TelemetryModel
import TelemetrySpool

/// What `inspect` tells of a spool.
struct SpoolContents {
    var path: String
    var summary: SpoolSummary
    var metrics: MetricSums
    var parts: [WaitingPart]
    /// Nil unless they were asked for: their reasons may quote documents.
    var rejects: [StoredReject]?

    init(_ reader: SpoolReader, path: String, listsRejects: Bool) throws(SpoolError) {
        self.path = path
        summary = try reader.summary()
        metrics = try reader.metricSums()
        parts = try reader.waitingParts()
        guard listsRejects else { return }
        var all: [StoredReject] = []
        while true {
            let some = try reader.rejects(after: all.last?.id ?? 0, count: 256)
            if some.isEmpty { break }
            all += some
        }
        rejects = all
    }

    /// Reasons and counts of one outcome, by reason.
    func reasons(of outcome: LedgerOutcome) -> [(reason: String, events: Int)] {
        summary.ledger.events.filter { $0.key.outcome == outcome && $0.value != 0 }
            .map { (reason: $0.key.reason, events: $0.value) }.sorted { $0.reason < $1.reason }
    }
}
