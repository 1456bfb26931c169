import Foundation

/// A value behind a lock with one condition: every change wakes everybody who waits for one.
///
/// `@unchecked Sendable`: `state` is read and written only between `lock()` and `unlock()` of `condition`.
package final class Monitor<State>: @unchecked Sendable {
    private let condition = NSCondition()
    private var state: State

    package init(_ state: sending State) {
        self.state = state
    }

    @discardableResult
    package func withLock<R>(_ body: (inout State) throws -> R) rethrows -> R {
        condition.lock()
        defer {
            condition.broadcast()
            condition.unlock()
        }
        return try body(&state)
    }

    /// Calls `body` now and after every change until it returns a value. Nil when `timeout` passed first.
    package func wait<R>(timeout: Duration?, _ body: (inout State) -> R?) -> R? {
        let deadline = timeout.map { Date(timeIntervalSinceNow: $0.seconds) }
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let result = body(&state) {
                condition.broadcast()
                return result
            }
            if let deadline {
                guard condition.wait(until: deadline) else {
                    let last = body(&state)
                    condition.broadcast()
                    return last
                }
            } else {
                condition.wait()
            }
        }
    }
}
