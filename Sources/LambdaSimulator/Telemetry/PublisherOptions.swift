/// How a publisher delivers.
package struct PublisherOptions: Sendable {
    package enum Refusal: Sendable {
        /// As the service: again with back-off until it is taken.
        case retry
        /// As AWS's emulator: the batch is dropped and reported with `platform.logsDropped`.
        case drop
    }

    package enum Overflow: Sendable {
        /// New events are dropped and reported with `platform.logsDropped`.
        case drop
        /// Whoever makes events waits: for load that must not be lost.
        case block
    }

    package var onRefusal = Refusal.retry
    package var overflow = Overflow.drop
    /// Bytes that wait beside the POST in flight.
    package var bufferBytes = 4 << 20
    package var firstBackoff = Duration.milliseconds(50)
    package var longestBackoff = Duration.seconds(2)
    /// From the last byte sent to the answer; time in which the environment is frozen does not count.
    package var answerTimeout = Duration.seconds(60)
    /// Takes turns over this many kept connections.
    package var connections = 1
    /// Chunked transfer coding with chunks of this size, in bytes; nil: Content-Length.
    package var chunkBytes: Int?
    package var cutPlacement = CutPlacement.betweenCharacters
    /// Adds a `Sequence-Id` header, as the emulator for Managed Instances does; the value is a running number here.
    package var sendsSequenceID = false
    /// Runs on the publisher's thread when the head of a 200 has been read and before it is booked.
    package var onAcknowledgement: (@Sendable (_ post: Int) -> Void)?
    /// Runs on the publisher's thread before a POST's first byte.
    package var onPost: (@Sendable (_ post: Int) -> Void)?

    package init() {}
}

/// How an answer is lost.
package enum LostAnswer: Sendable {
    /// The connection is closed as soon as the body is out.
    case beforeAnswer
    /// The answer is in our socket, unread, when the connection is reset.
    case unread
}

/// What comes after a lost answer, or on demand after an answer that was read.
package enum Redelivery: Sendable {
    /// The same bytes once more.
    case sameBody
    /// The old events, in order, with newer ones behind them in the same body.
    case regrouped
}
