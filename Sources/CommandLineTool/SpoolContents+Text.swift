import TelemetryModel
import TelemetrySpool

extension SpoolContents {
    /// For people.
    var text: String {
        var text = ""
        func line(_ name: String, _ value: String) {
            text += Self.padded(name, 18) + value + "\n"
        }
        line("spool", path)
        line("environment", summary.environmentID?.text ?? "none yet (SnapStart, before the first restore)")
        text += "\nledger\n"
        for outcome in LedgerOutcome.allCases {
            let reasons = reasons(of: outcome).filter { !$0.reason.isEmpty }.map { "\($0.reason) \($0.events)" }
            let isUnknown = outcome == .discarded && summary.unknownLosses
            line(
                "  " + outcome.rawValue,
                (isUnknown ? "unknown, at least " : "") + String(summary.ledger.total(outcome))
                    + (reasons.isEmpty ? "" : "  (\(reasons.joined(separator: ", ")))"))
        }
        let imbalance = summary.ledger.imbalance
        line("  balance", imbalance == 0 ? "the books balance" : "off by \(imbalance)")
        line("  platform dropped", String(summary.platformDropped))
        text += "\n"
        line("backlog", Self.sums(summary.spooled))
        line("  for a retry", Self.sums(summary.waiting))
        line("  oldest", summary.oldestMs.map(Timestamp.text) ?? "none")
        line("held parts", parts.isEmpty ? "0" : "\(parts.count), \(parts.reduce(0) { $0 + $1.bytes }) bytes")
        line(
            "metrics",
            "\(metrics.series) summaries, \(metrics.counters) counters"
                + (metrics.formerInstances == 0 ? "" : ", \(metrics.formerInstances) former environments to push"))
        line("rejects", String(summary.rejects))
        for reject in rejects ?? [] { text += Self.text(of: reject) }
        return text
    }

    private static func text(of reject: StoredReject) -> String {
        let document = reject.document
        let status = document.status == 0 ? "none" : String(document.status)
        return """

            reject \(reject.id)  \(Timestamp.text(reject.createdMs))
              status   \(status)
              type     \(printable(document.errorType))
              reason   \(document.reason): \(printable(document.errorReason))
              id       \(document.id ?? "none")
              index    \(document.index ?? "none")
              bytes    \(document.content.count)

            """
    }

    private static func sums(_ sums: ChunkSums) -> String {
        "\(sums.chunks) chunks, \(sums.events) events, \(sums.bytes) bytes uncompressed"
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    /// A text of the back end on a terminal: its control characters would be obeyed.
    static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value)
            result.unicodeScalars.append(isControl ? "\u{fffd}" : scalar)
        }
        return result
    }
}
