import Foundation
import Synchronization

package extension Duration {
    var seconds: Double {
        let parts = components
        return Double(parts.seconds) + Double(parts.attoseconds) / 1e18
    }

    var milliseconds: Double { seconds * 1000 }

    static func fractionalSeconds(_ value: Double) -> Duration { .nanoseconds(Int64(value * 1e9)) }
}

/// Wall-clock readings as the Telemetry API prints them.
package enum WallClock {
    /// Milliseconds since 1970.
    package static func nowMs() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }

    private static let last = Atomic<Int64>(0)

    /// Now, but never the same millisecond twice in this process: it identifies platform events that carry no request id.
    package static func uniqueMs() -> Int64 {
        let now = nowMs()
        while true {
            let seen = last.load(ordering: .relaxed)
            let next = max(now, seen + 1)
            if last.compareExchange(expected: seen, desired: next, ordering: .relaxed).exchanged { return next }
        }
    }

    /// `2026-07-29T08:00:00.120Z`.
    package static func iso8601(ms: Int64) -> String {
        var seconds = time_t(ms >= 0 ? ms / 1000 : (ms - 999) / 1000)
        let millis = Int(ms - Int64(seconds) * 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let fraction = millis < 10 ? "00\(millis)" : millis < 100 ? "0\(millis)" : "\(millis)"
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
            + "T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(fraction)Z"
    }
}

/// A blocking pause of the calling thread.
package func pause(_ duration: Duration) {
    guard duration > .zero else { return }
    Thread.sleep(forTimeInterval: duration.seconds)
}
