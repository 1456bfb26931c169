/// One value for a summary, in base units (seconds, bytes), finite and ≥ 0.
package struct Observation: Hashable, Sendable {
    /// The family without quantile or suffix, for example `permafrost_invocation_duration_seconds`.
    package var family: String
    package var value: Double
    /// Set only with `PERMAFROST_METRIC_REQUEST_ID`: the series gets this extra label.
    package var requestID: String?

    package init(family: String, value: Double, requestID: String? = nil) {
        self.family = family
        self.value = value
        self.requestID = requestID
    }
}

/// An addition to a counter that the ledger does not already keep.
package struct CounterIncrement: Hashable, Sendable {
    /// For example `permafrost_invocations_total`.
    package var family: String
    /// The value of the family's one label (``CounterIncrement/label(of:)``), empty for a family without label.
    package var labelValue: String
    package var count: Int

    package init(family: String, labelValue: String = "", count: Int = 1) {
        self.family = family
        self.labelValue = labelValue
        self.count = count
    }

    package static let invocations = "permafrost_invocations_total"
    package static let events = "permafrost_events_total"
    package static let platformDropped = "permafrost_platform_dropped_records_total"
    /// Report values that were negative, infinite or not a number, by family.
    package static let unobserved = "permafrost_unobserved_values_total"

    /// The label a counter family carries, nil for none.
    package static func label(of family: String) -> String? {
        switch family {
        case invocations: "status"
        case events: "event_type"
        case unobserved: "family"
        default: nil
        }
    }
}
