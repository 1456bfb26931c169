/// When the spool is drained: pure, so that it can be tested without waiting.
package struct FlushPolicy: Sendable {
    /// Flush when this many events wait.
    package var events: Int
    /// … or this many uncompressed bytes.
    package var bytes: Int
    /// … or when the oldest has waited this long, by the wall clock: timers stop in a freeze.
    package var age: Duration

    package init(events: Int, bytes: Int, age: Duration) {
        self.events = events
        self.bytes = bytes
        self.age = age
    }

    package enum Decision: Equatable, Sendable {
        case flush
        /// Nothing is due; look again after this long, nil: when something arrives.
        case wait(Duration?)
    }

    /// - Parameter events, bytes: the backlog.
    /// - Parameter oldestMs: when its oldest chunk arrived, nil for an empty one.
    package func decision(events: Int, bytes: Int, oldestMs: Int64?, nowMs: Int64) -> Decision {
        guard events > 0, let oldestMs else { return .wait(nil) }
        if events >= self.events || bytes >= self.bytes { return .flush }
        let left = age.milliseconds - (nowMs - oldestMs)
        // A clock that was set back must not keep a chunk for longer than the age.
        return left <= 0 ? .flush : .wait(.milliseconds(min(left, age.milliseconds)))
    }
}
