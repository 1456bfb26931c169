/// What a simulated network does wrong to one exchange.
///
/// An exchange begins with the first byte from the client after the last one from the server, so each request on a kept
/// connection has a fault of its own.
package enum NetworkFault: Equatable, Sendable {
    package enum Direction: String, Sendable {
        /// From client to server.
        case request
        /// From server to client.
        case answer
    }

    /// Every piece waits so long, in both directions.
    case delay(Duration)
    /// So many bytes pass in one direction, then both sides are closed.
    case cut(Direction, after: Int)
    /// So many bytes pass in one direction, then both sides get a RST.
    case reset(Direction, after: Int)
    /// So many bytes pass in one direction, then nothing does in either: whatever is sent is swallowed, no connection ends.
    case blackHole(Direction, after: Int)
    /// The request's bytes reach the server once more over a second connection, whose answer nobody gets.
    case duplicate
    /// At most so many bytes a second in either direction.
    case throttle(bytesPerSecond: Int)
}

/// Which exchanges a fault strikes: a seeded schedule.
package struct NetworkPlan: Sendable {
    /// Of these one is drawn, each with the same chance.
    package var faults: [NetworkFault]
    /// Chance of an exchange to be struck.
    package var percent: Int
    /// After so many drawn faults there are no more; nil: never.
    package var count: Int?
    package var seed: UInt64

    package init(_ faults: [NetworkFault], percent: Int = 100, count: Int? = nil, seed: UInt64 = 1) {
        self.faults = faults
        self.percent = percent
        self.count = count
        self.seed = seed
    }

    /// Passes everything on as it comes.
    package static let calm = NetworkPlan([])
}

/// What a simulated network has seen.
package struct NetworkStatistics: Equatable, Sendable {
    package var connections = 0
    package var exchanges = 0
    /// Faults that took effect: a cut beyond the end of an exchange is none.
    package var strikes = 0
    package var requestBytes = 0
    package var answerBytes = 0
}
