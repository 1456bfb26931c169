/// What became of events. The terms of the equation that the ledger keeps (for OpenSearch; metrics are state, no term):
/// `received = duplicate + filtered + joined + delivered + rejected + discarded + spooled`.
package enum LedgerOutcome: String, CaseIterable, Hashable, Sendable {
    case received, duplicate, filtered, joined, delivered, rejected, discarded, spooled
}

/// One column of the ledger: an outcome, and for losses the reason (empty where an outcome needs none).
package struct LedgerEntry: Hashable, Sendable {
    package var outcome: LedgerOutcome
    /// A short fixed word, never a text from outside: it becomes a label value.
    package var reason: String

    package init(_ outcome: LedgerOutcome, _ reason: String = "") {
        self.outcome = outcome
        self.reason = reason
    }
}

/// The reasons this build counts losses under.
package enum LedgerReason {
    /// Log events without an OpenSearch URL.
    package static let noSink = "no_sink"
    /// Our own lines on the `extension` stream.
    package static let ownLine = "own_line"
    /// The spool's bound.
    package static let spoolFull = "spool_full"
    /// A chunk whose CRC is wrong, or what a quarantined spool did not give back.
    package static let corrupt = "corrupt"
    /// The recount found fewer events than the ledger's `spooled`.
    package static let unaccounted = "unaccounted"
    /// A body, or a rest of one, that is not JSON.
    package static let unreadable = "unreadable"
    /// The back end refused the document for its content.
    package static let document = "document"
    /// An ingest pipeline failed on it.
    package static let pipeline = "pipeline"
    /// Too large for the back end as a request of its own.
    package static let tooLarge = "too_large"
}

/// Changes to the ledger, or its whole content.
package struct Ledger: Equatable, Sendable {
    package private(set) var events: [LedgerEntry: Int] = [:]

    package init() {}

    package mutating func add(_ count: Int, _ outcome: LedgerOutcome, _ reason: String = "") {
        guard count != 0 else { return }
        events[LedgerEntry(outcome, reason), default: 0] += count
    }

    package mutating func add(_ other: Ledger) {
        for (entry, count) in other.events { add(count, entry.outcome, entry.reason) }
    }

    /// Over all reasons.
    package func total(_ outcome: LedgerOutcome) -> Int {
        events.reduce(0) { $0 + ($1.key.outcome == outcome ? $1.value : 0) }
    }

    package subscript(_ outcome: LedgerOutcome, _ reason: String) -> Int {
        events[LedgerEntry(outcome, reason)] ?? 0
    }

    /// `received` minus all other terms: 0 in books that balance.
    package var imbalance: Int {
        LedgerOutcome.allCases.reduce(0) { $0 + ($1 == .received ? total($1) : -total($1)) }
    }
}
