package import TelemetryModel

/// The one line at SHUTDOWN that states what became of every event (design: the books).
package enum ClosingLine {
    /// - Parameter lossesUnknown: a spool was lost whose ledger could not be read: then what was discarded is not known.
    package static func text(reason: String, ledger: Ledger, platformDropped: Int, lossesUnknown: Bool) -> String {
        var line = "permafrost event=shutdown reason=\(reason)"
        for outcome in [
            LedgerOutcome.received, .duplicate, .filtered, .joined, .delivered, .rejected, .discarded, .spooled,
        ] {
            let unknown = outcome == .discarded && lossesUnknown
            line += " \(outcome.rawValue)=\(unknown ? "unknown" : String(ledger.total(outcome)))"
        }
        return line + " platform_dropped=\(platformDropped)"
    }
}
