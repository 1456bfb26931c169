package import TelemetryPipeline

/// Whether `next` is held back so that a due flush can end in thawed time: pure. Off by default.
package struct HoldPolicy: Sendable {
    /// Kept free before the function's own deadline.
    static let deadlineMarginMs: Int64 = 500
    /// The end of an invocation is waited for as long as this: one that runs longer gives a flush time enough, and its
    /// `runtimeDone` may have been lost without a word.
    static let longestInvocation: Duration = .seconds(10)

    /// Longest wait between the end of the invocation and our `next`; zero: never hold.
    package var hold: Duration

    package init(hold: Duration) {
        self.hold = hold
    }

    /// - Parameters:
    ///   - invokedAt: when INVOKE came.
    ///   - finishedAt: when the end of the invocation was seen, nil while it runs.
    ///   - mayHaveMissedEnd: it may never be seen.
    ///   - flushUnderWay: a flush is due or its requests are on their way.
    /// - Returns: how much longer `next` may wait, nil: call it now.
    package func wait(
        invokedAt: Moment, finishedAt: Moment?, mayHaveMissedEnd: Bool, deadlineMs: Int64?, flushUnderWay: Bool,
        breakerOpen: Bool, now: Moment
    ) -> Duration? {
        guard hold > .zero, !breakerOpen, !mayHaveMissedEnd else { return nil }
        // While the invocation runs, waiting costs nothing and its events are still coming: whether a flush is due is
        // known at its end.
        var left = (deadlineMs == nil ? hold : Self.longestInvocation) - now.elapsed(since: invokedAt)
        if let finishedAt {
            guard flushUnderWay else { return nil }
            left = hold - now.elapsed(since: finishedAt)
        }
        if let deadlineMs { left = min(left, .milliseconds(deadlineMs - Self.deadlineMarginMs - now.wallMs)) }
        return left > .zero ? left : nil
    }
}
