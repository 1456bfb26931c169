/// Time that passed while this process was running, and the moments at which it had been frozen.
///
/// A freeze stops the process anywhere; afterwards timers fire late and intervals look long. Whether CLOCK_MONOTONIC
/// counts frozen time is not documented, so both signs are read: a wait that took far longer than asked for, and a wall
/// clock that moved without the monotonic one.
package struct ThawedClock: Sendable {
    /// A wait may take this much longer than asked for before it counts as a freeze: a starved CPU is no freeze.
    package static let slack: Duration = .milliseconds(750)

    /// What may be done between two looks.
    static let work: Duration = .milliseconds(100)

    /// Thawed time since the clock was made.
    package private(set) var elapsed: Duration = .zero
    private var last: Moment

    package init(at now: Moment) {
        self.last = now
    }

    /// Reads the clock after a wait of at most `wait` plus a little work.
    /// - Returns: true when the process had been frozen in between.
    package mutating func advance(to now: Moment, afterWaitingUpTo wait: Duration) -> Bool {
        let monotonic = max(.zero, now.elapsed(since: last))
        let wall = Duration.milliseconds(now.wallMs - last.wallMs)
        last = now
        let frozen = monotonic > wait + Self.slack || wall > monotonic + Self.slack
        // What lies beyond the wait does not count, even when it is too short to be called a freeze.
        elapsed += min(monotonic, wait + Self.work)
        return frozen
    }
}
