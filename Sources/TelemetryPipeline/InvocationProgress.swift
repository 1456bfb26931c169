import Synchronization

/// Which invocation is running, as far as INVOKE events and telemetry have told: shared by the main thread, which holds
/// `next` or waits for the last report, and the listener thread, which sees what arrives.
package final class InvocationProgress: Sendable {
    private struct State: Sendable {
        /// The last INVOKE's request id.
        var invoked: String?
        var finished = false
        var reported = false
    }

    private let state = Mutex(State())

    package init() {}

    package func invoked(_ requestID: String) {
        state.withLock { $0 = State(invoked: requestID, finished: false, reported: false) }
    }

    /// Called after the commit of a batch that holds these `runtimeDone`s and `report`s.
    package func observed(finished: [String], reported: [String]) {
        guard !finished.isEmpty || !reported.isEmpty else { return }
        state.withLock { state in
            guard let invoked = state.invoked else { return }
            if finished.contains(invoked) { state.finished = true }
            if reported.contains(invoked) { state.reported = true }
        }
    }

    /// True once `runtimeDone` or the report of the last INVOKE has been spooled.
    package var isFinished: Bool { state.withLock(\.finished) }

    /// True while the report of the last INVOKE has not come.
    package var awaitsReport: Bool { state.withLock { $0.invoked != nil && !$0.reported } }
}
