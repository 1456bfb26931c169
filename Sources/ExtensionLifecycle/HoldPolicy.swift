package import TelemetryPipeline

/// Whether `next` is held back so that a due flush can end in thawed time: pure. Off by default.
package struct HoldPolicy: Sendable {
    /// Kept free before the function's own deadline.
    static let deadlineMarginMs: Int64 = 500

    /// Longest wait between the end of the invocation and our `next`; zero: never hold.
    package var hold: Duration

    package init(hold: Duration) {
        self.hold = hold
    }

    /// - Parameters:
    ///   - finishedAt: when the end of the invocation was seen, nil while it runs.
    ///   - flushUnderWay: a flush is due or its requests are on their way.
    /// - Returns: how much longer `next` may wait, nil: call it now.
    package func wait(
        finishedAt: Moment?, deadlineMs: Int64?, flushUnderWay: Bool, breakerOpen: Bool, now: Moment
    ) -> Duration? {
        guard hold > .zero, !breakerOpen else { return nil }
        // While the invocation runs, waiting costs nothing and its events are still coming: whether a flush is due is
        // known at its end.
        var left: Duration = deadlineMs == nil ? hold : .seconds(3600)
        if let finishedAt {
            guard flushUnderWay else { return nil }
            left = hold - now.elapsed(since: finishedAt)
        }
        if let deadlineMs { left = min(left, .milliseconds(deadlineMs - Self.deadlineMarginMs - now.wallMs)) }
        return left > .zero ? left : nil
    }
}
