import Synchronization
package import TelemetryPipeline

/// Keeps the flush thread away from the network until the Init phase is over: until the first `next` was answered, or
/// for Managed Instances, where it is answered only at SHUTDOWN, until a moment after it was called.
package final class NetworkGate: Sendable {
    private static let grace: Duration = .milliseconds(100)

    private enum State: Sendable {
        case shut
        case called(Moment)
        case open
    }

    private let state = Mutex(State.shut)
    private let wake: @Sendable () -> Void

    /// - Parameter wake: called when the gate opens.
    package init(wake: @escaping @Sendable () -> Void) {
        self.wake = wake
    }

    /// For Managed Instances alone: elsewhere what follows the call may be the snapshot of SnapStart, or a freeze.
    package func nextIsCalled(at now: Moment = .now()) {
        state.withLock { if case .shut = $0 { $0 = .called(now) } }
    }

    package func open() {
        let opened = state.withLock { state in
            if case .open = state { return false }
            state = .open
            return true
        }
        if opened { wake() }
    }

    /// Nil when the network may be used, else how long to wait before asking again.
    package func wait(at now: Moment) -> Duration? {
        state.withLock { state in
            switch state {
            case .open: return nil
            case .shut: return Self.grace
            case .called(let moment):
                let left = Self.grace - now.elapsed(since: moment)
                if left > .zero { return left }
                state = .open
                return nil
            }
        }
    }
}
