package import TelemetryPipeline

/// How long the drain at SHUTDOWN may take.
package enum ShutdownBudget {
    /// Lambda's limit for the Shutdown phase with external extensions.
    /// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
    static let limitMs: Int64 = 2000
    /// Kept for the closing line and the exit.
    static let marginMs: Int64 = 150

    /// Taken once, when SHUTDOWN arrives; from there only the monotonic clock counts. A difference outside 0…10 s shows
    /// that the wall clock is stale after a thaw, or the deadline missing: then the whole limit is assumed.
    package static func deadline(deadlineMs: Int64?, at now: Moment) -> Moment {
        let left = deadlineMs.map { $0.subtractingReportingOverflow(now.wallMs) }
        let usable: Int64 =
            if let left, !left.overflow, (0...10_000).contains(left.partialValue) {
                min(left.partialValue, limitMs)
            } else {
                limitMs
            }
        return now + .milliseconds(max(0, usable - marginMs))
    }
}
