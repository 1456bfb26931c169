import JSON
import TelemetryModel
import TelemetrySpool

extension SpoolContents {
    /// For programs: one object on one line. Times are milliseconds since 1970.
    var json: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("spool")
        writer.string(path)
        writer.key("environment")
        if let id = summary.environmentID { writer.string(id.text) } else { writer.null() }
        writer.key("ledger")
        writeLedger(to: &writer)
        writer.key("imbalance")
        writer.integer(summary.ledger.imbalance)
        writer.key("losses_unknown")
        writer.bool(summary.unknownLosses)
        writer.key("platform_dropped")
        writer.integer(summary.platformDropped)
        writer.key("backlog")
        Self.write(summary.spooled, to: &writer)
        writer.key("waiting_for_retry")
        Self.write(summary.waiting, to: &writer)
        writer.key("oldest_ms")
        if let oldest = summary.oldestMs { writer.integer(oldest) } else { writer.null() }
        writer.key("held_parts")
        writer.integer(parts.count)
        writer.key("metric_series")
        writer.integer(metrics.series)
        writer.key("metric_counters")
        writer.integer(metrics.counters)
        writer.key("reject_count")
        writer.integer(summary.rejects)
        if let rejects {
            writer.key("rejects")
            writer.beginArray()
            for reject in rejects { Self.write(reject, to: &writer) }
            writer.endArray()
        }
        writer.endObject()
        return writer.bytes + [0x0a]
    }

    private func writeLedger(to writer: inout JSONWriter) {
        writer.beginObject()
        for outcome in LedgerOutcome.allCases {
            writer.key(outcome.rawValue)
            writer.beginObject()
            writer.key("events")
            writer.integer(summary.ledger.total(outcome))
            writer.key("reasons")
            writer.beginObject()
            for (reason, events) in reasons(of: outcome) where !reason.isEmpty {
                writer.key(reason)
                writer.integer(events)
            }
            writer.endObject()
            writer.endObject()
        }
        writer.endObject()
    }

    private static func write(_ sums: ChunkSums, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("chunks")
        writer.integer(sums.chunks)
        writer.key("events")
        writer.integer(sums.events)
        writer.key("bytes")
        writer.integer(sums.bytes)
        writer.endObject()
    }

    private static func write(_ reject: StoredReject, to writer: inout JSONWriter) {
        let document = reject.document
        writer.beginObject()
        writer.key("number")
        writer.integer(reject.id)
        writer.key("created_ms")
        writer.integer(reject.createdMs)
        writer.key("status")
        writer.integer(document.status)
        writer.key("type")
        writer.string(document.errorType)
        writer.key("reason")
        writer.string(document.reason)
        writer.key("error_reason")
        writer.string(document.errorReason)
        for (name, value) in [("id", document.id), ("index", document.index)] {
            writer.key(name)
            if let value { writer.string(value) } else { writer.null() }
        }
        writer.key("bytes")
        writer.integer(document.content.count)
        writer.key("content")
        writer.string(utf8: document.content)
        writer.endObject()
    }
}
