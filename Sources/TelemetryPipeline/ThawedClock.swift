/// Time that passed while this process was running, and the moments at which it had been frozen.
///
/// A freeze stops the process anywhere; afterwards timers fire late and intervals look long. Whether CLOCK_MONOTONIC
/// counts frozen time is not documented, so both signs are read: a sleep that took far longer than asked for, and a wall
/// clock that moved without the monotonic one. Work is measured apart from sleep: how long it takes on a fraction of a
/// core nobody knows, so only a time in which any of it would have ended is taken for a freeze, or a shorter one beside
/// an INVOKE that was long in coming.
package struct ThawedClock: Sendable {
    /// A sleep may take this much longer than asked for before it counts as a freeze: a starved CPU is no freeze.
    package static let slack: Duration = .milliseconds(750)
    /// No step of work takes this long.
    package static let longestWork: Duration = .seconds(20)
    /// Beyond a sleep, and of work, this much counts as thawed time: what is longer is not held against a request that
    /// could not move meanwhile.
    static let work: Duration = .milliseconds(100)

    /// Long work and an idle time that end within this belong together.
    static let together: Duration = .seconds(5)

    /// Thawed time since the clock was made.
    package private(set) var elapsed: Duration = .zero
    private var last: Moment
    /// When work ended that took longer than ``slack``.
    private var longWork: Moment?
    /// When an INVOKE came that was waited for longer than that.
    private var longIdle: Moment?

    package init(at now: Moment) {
        self.last = now
    }

    /// - Returns: true when the process was frozen since the last reading, in which it worked.
    package mutating func worked(until now: Moment) -> Bool {
        if now.elapsed(since: last) > Self.slack { longWork = now }
        let frozen = advance(to: now, counting: Self.work, suspicious: Self.longestWork)
        guard let longWork, let longIdle, now.elapsed(since: longWork) < Self.together,
            now.elapsed(since: longIdle) < Self.together
        else { return frozen }
        self.longWork = nil
        self.longIdle = nil
        return true
    }

    /// - Parameter idle: how long the INVOKE was waited for.
    package mutating func invoked(at now: Moment, after idle: Duration) {
        if idle > Self.slack { longIdle = now }
    }

    /// - Parameter limit: how long it was to sleep at most.
    /// - Returns: true when the process was frozen since the last reading, in which it slept.
    package mutating func slept(until now: Moment, upTo limit: Duration) -> Bool {
        advance(to: now, counting: limit + Self.work, suspicious: limit + Self.slack)
    }

    private mutating func advance(to now: Moment, counting most: Duration, suspicious: Duration) -> Bool {
        let monotonic = max(.zero, now.elapsed(since: last))
        let wall = Duration.milliseconds(now.wallMs - last.wallMs)
        last = now
        elapsed += min(monotonic, most)
        return monotonic > suspicious || wall > monotonic + Self.slack
    }
}
