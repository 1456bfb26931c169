import TelemetryModel

/// The families that the sinks themselves name, and the HELP text of every family.
package enum MetricFamily {
    package static let ledger = "permafrost_ledger_events_total"
    package static let spooled = "permafrost_spooled_events"
    /// Always 1: its labels tell whose group it is, which is how a successor recognises the groups it may remove.
    package static let environment = "permafrost_environment_info"

    /// One line without a backslash, so that it needs no escaping.
    package static func help(of family: String) -> String {
        switch family {
        case ledger: "Log events by what became of them, and losses by reason."
        case spooled: "Log events that wait in the spool of the environment."
        case environment: "The function, account and region that the environment belongs to; always 1."
        case CounterIncrement.invocations: "Finished invocations by status."
        case CounterIncrement.events: "Telemetry events by type."
        case CounterIncrement.platformDropped: "Records that the platform reported as dropped before they reached us."
        case CounterIncrement.unobserved: "Reported values that were negative, infinite or no number, by family."
        case "permafrost_invocation_duration_seconds": "Duration of an invocation, runtime and extensions."
        case "permafrost_invocation_billed_duration_seconds": "Billed duration of an invocation."
        case "permafrost_invocation_init_duration_seconds": "Duration of the Init phase, cold starts only."
        case "permafrost_invocation_restore_duration_seconds": "Duration of the restore from a snapshot."
        case "permafrost_invocation_memory_size_bytes": "Memory configured for the function."
        case "permafrost_invocation_max_memory_used_bytes": "Most memory that an invocation had used."
        default: "A value of the platform's reports."
        }
    }
}
