/// Exponential back-off with full jitter: the n-th wait is drawn evenly from 0…min(cap, base × 2ⁿ), so that many
/// environments that failed together do not come back together.
package struct Backoff: Sendable {
    package static let base: Duration = .milliseconds(200)
    package static let cap: Duration = .seconds(30)

    private var random: Jitter

    package init(seed: UInt64? = nil) {
        self.random = Jitter(seed: seed)
    }

    /// - Parameter failures: consecutive failures so far, at least 1.
    /// - Parameter floor: a wait the server asked for, or the least that makes sense for the fault.
    package mutating func wait(afterFailures failures: Int, floor: Duration = .zero) -> Duration {
        let doublings = min(max(failures - 1, 0), 16)
        let ceiling = min(Self.cap, Self.base * (1 << doublings))
        let milliseconds = Int64.random(in: 0...max(1, ceiling.milliseconds), using: &random)
        return max(floor, .milliseconds(milliseconds))
    }
}

/// Draws from the system each time, because what is kept in memory is the same in all copies of a SnapStart snapshot;
/// from a seed in tests, so that they repeat.
package struct Jitter: RandomNumberGenerator, Sendable {
    private var seeded: SplitMix64?

    package init(seed: UInt64? = nil) {
        self.seeded = seed.map { SplitMix64(state: $0) }
    }

    package mutating func next() -> UInt64 {
        if let drawn = seeded?.next() { return drawn }
        var system = SystemRandomNumberGenerator()
        return system.next()
    }
}

/// A small seeded generator (Steele, Lea, Flood: SplitMix64), so that tests repeat.
package struct SplitMix64: RandomNumberGenerator, Sendable {
    package var state: UInt64

    package init(state: UInt64) {
        self.state = state
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}

extension Duration {
    /// Whole milliseconds, rounded towards zero.
    package var milliseconds: Int64 {
        let parts = components
        return parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000
    }
}
