import Synchronization

/// Which invocation is running, as far as INVOKE events and telemetry have told: shared by the main thread, which holds
/// `next` or waits for the last report, and the listener thread, which sees what arrives.
package final class InvocationProgress: Sendable {
    private struct State: Sendable {
        /// The last INVOKE's request id.
        var invoked: String?
        var finished = false
        var reported = false
        /// Telemetry has come that is not in the spool, or was dropped before it came.
        var missedSome = false
        /// Of the last bodies. On a starved CPU the end of a short invocation is spooled before its INVOKE is heard.
        var lastFinished: [String] = []
        var lastReported: [String] = []
    }

    private static let remembered = 16

    private let state = Mutex(State())

    package init() {}

    package func invoked(_ requestID: String) {
        state.withLock { state in
            state.invoked = requestID
            state.finished = state.lastFinished.contains(requestID)
            state.reported = state.lastReported.contains(requestID)
            state.missedSome = false
        }
    }

    /// Called after the commit of a batch that holds these `runtimeDone`s and `report`s.
    package func observed(finished: [String], reported: [String]) {
        guard !finished.isEmpty || !reported.isEmpty else { return }
        state.withLock { state in
            state.lastFinished = (state.lastFinished + finished).suffix(Self.remembered)
            state.lastReported = (state.lastReported + reported).suffix(Self.remembered)
            guard let invoked = state.invoked else { return }
            if finished.contains(invoked) { state.finished = true }
            if reported.contains(invoked) { state.reported = true }
        }
    }

    /// Some of what tells of the last INVOKE could not be spooled or was dropped by the platform.
    package func missedSome() {
        state.withLock { $0.missedSome = true }
    }

    /// True when the end of the last INVOKE has not been seen, and may never be: it may be among what was missed.
    package var mayHaveMissedEnd: Bool { state.withLock { $0.missedSome && !$0.finished } }

    /// True once `runtimeDone` or the report of the last INVOKE has been spooled.
    package var isFinished: Bool { state.withLock(\.finished) }

    /// True while the report of the last INVOKE has not come.
    package var awaitsReport: Bool { state.withLock { $0.invoked != nil && !$0.reported } }
}
