package import TelemetryPipeline

/// How long the main thread still waits at SHUTDOWN: pure.
package struct ShutdownWait: Sendable {
    package let deadline: Moment
    /// Until when the report of the last invocation may come.
    private let reportUntil: Moment

    package init(deadline: Moment, begun: Moment) {
        self.deadline = deadline
        self.reportUntil = begun + Drain.reportGrace
    }

    /// - Parameters:
    ///   - isDrained: the flush thread has ended its drain, or there is none to drain anything.
    ///   - awaitsReport: the last invocation's report is still to be spooled.
    /// - Returns: nil: out.
    package func left(isDrained: Bool, awaitsReport: Bool, at now: Moment) -> Duration? {
        let end = isDrained ? (awaitsReport ? min(deadline, reportUntil) : now) : deadline
        let left = end.elapsed(since: now)
        return left > .zero ? left : nil
    }
}
