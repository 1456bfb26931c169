/// Watches one request for standstill, in thawed time: pure.
///
/// A request in flight over a freeze is left to go on, for its answer may already be in the socket. When nothing moves
/// for two seconds afterwards its peer is gone, and the request is repeated without counting as a failure. The socket
/// takes the rest of a body whether there is still a peer or not: only what is received shows one.
package struct StallWatch: Sendable {
    package static let afterFreeze: Duration = .seconds(2)
    /// No byte sent or received: a connection that does not come up, or a body nobody takes.
    package static let moving: Duration = .seconds(10)
    /// The body is out and the answer has not begun: the server may be waiting for a primary, up to the `timeout` that
    /// the request carries.
    package static let answering: Duration = .seconds(45)

    package enum Verdict: Equatable, Sendable {
        case waiting(Duration)
        /// Nothing moved for too long.
        case stalled
        /// Nothing moved, and nothing was received since a freeze: says nothing about the back end.
        case lostInFreeze
    }

    /// An answer that has been coming for this long is none.
    package static let whole: Duration = .seconds(120)

    private var movedAt: Duration
    private var bodySentAt: Duration?
    private var moved: UInt64 = 0
    private var received: UInt64 = 0
    private var frozen = false

    /// The peer has not been heard since a freeze: what breaks now says nothing about the back end.
    package var isFrozen: Bool { frozen }

    package init(thawed: Duration) {
        self.movedAt = thawed
    }

    /// Freezes that follow before anything is received grant nothing more: short functions thaw for less than the two
    /// seconds, and a dead request would otherwise be waited for as long as they go on.
    package mutating func froze(thawed: Duration) {
        guard !frozen else { return }
        frozen = true
        movedAt = thawed
        if bodySentAt != nil { bodySentAt = thawed }
    }

    /// - Parameter isAnswering: the answer has begun; from then on it has to move.
    package mutating func check(
        bytesMoved: UInt64, ofThemReceived: UInt64, isBodySent: Bool, isAnswering: Bool = false, thawed: Duration
    ) -> Verdict {
        if bytesMoved != moved {
            moved = bytesMoved
            movedAt = thawed
        }
        if ofThemReceived != received {
            received = ofThemReceived
            frozen = false
        }
        if isBodySent, bodySentAt == nil { bodySentAt = thawed }
        if let bodySentAt, thawed - bodySentAt > Self.whole { return .stalled }
        let limit = frozen ? Self.afterFreeze : isBodySent && !isAnswering ? Self.answering : Self.moving
        let left = limit - (thawed - movedAt)
        if left > .zero { return .waiting(left) }
        return frozen ? .lostInFreeze : .stalled
    }
}
