import Glibc

/// A reading of both clocks. Intervals are counted on the monotonic one; the wall clock stamps rows and meets deadlines
/// that came from outside.
package struct Moment: Comparable, Sendable {
    /// CLOCK_MONOTONIC.
    package var monotonic: Duration
    /// CLOCK_REALTIME, milliseconds since 1970.
    package var wallMs: Int64

    package init(monotonic: Duration, wallMs: Int64) {
        self.monotonic = monotonic
        self.wallMs = wallMs
    }

    package static func now() -> Moment {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let monotonic = Duration.seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
        clock_gettime(CLOCK_REALTIME, &time)
        return Moment(monotonic: monotonic, wallMs: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    package static func < (left: Moment, right: Moment) -> Bool { left.monotonic < right.monotonic }
    package static func == (left: Moment, right: Moment) -> Bool { left.monotonic == right.monotonic }

    package static func + (moment: Moment, interval: Duration) -> Moment {
        Moment(monotonic: moment.monotonic + interval, wallMs: moment.wallMs + interval.milliseconds)
    }

    package func elapsed(since earlier: Moment) -> Duration { monotonic - earlier.monotonic }

    /// By whichever clock counted more: the one of them that counts frozen time. Below zero while neither has come to
    /// `earlier`.
    package func passed(since earlier: Moment) -> Duration {
        max(elapsed(since: earlier), .milliseconds(wallMs - earlier.wallMs))
    }
}
