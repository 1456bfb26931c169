/// One direction of a connection: what was read on one side and not yet written on the other.
struct NetworkFlow {
    private struct Piece {
        var due: ContinuousClock.Instant
        var bytes: ArraySlice<UInt8>
    }

    /// Above this many bytes nothing more is read: the sender feels a slow network.
    private static let bound = 256 << 10

    private var pieces: [Piece] = []
    private var head = 0
    private var queued = 0
    private var nextSendAt: ContinuousClock.Instant?
    /// Bytes passed on in the present exchange.
    private(set) var passed = 0
    /// The sender has finished.
    var isEnded = false
    /// And the receiver has been told.
    var isEndPassedOn = false

    var isEmpty: Bool { head == pieces.count }
    var takesMore: Bool { !isEnded && queued < Self.bound }

    mutating func beginExchange() { passed = 0 }

    mutating func append(_ bytes: [UInt8], due: ContinuousClock.Instant) {
        pieces.append(Piece(due: due, bytes: bytes[...]))
        queued += bytes.count
    }

    mutating func removeAll() {
        pieces = []
        head = 0
        queued = 0
    }

    /// When the first byte may go out; nil when there is none.
    var due: ContinuousClock.Instant? {
        guard head < pieces.count else { return nil }
        return nextSendAt.map { max($0, pieces[head].due) } ?? pieces[head].due
    }

    /// Writes what is due, at most up to `limit` bytes of this exchange. False when the receiver's side is broken.
    mutating func pass(
        to receiver: NetworkSocket, now: ContinuousClock.Instant, limit: Int?, bytesPerSecond: Int?
    ) -> Bool {
        while let due, due <= now {
            var room = limit.map { max(0, $0 - passed) } ?? Int.max
            if let bytesPerSecond { room = min(room, max(1, bytesPerSecond / 50)) }
            guard room > 0 else { return true }
            guard let sent = receiver.send(pieces[head].bytes.prefix(room)) else { return false }
            guard sent > 0 else { return true }
            passed += sent
            queued -= sent
            pieces[head].bytes.removeFirst(sent)
            if let bytesPerSecond {
                nextSendAt = now + .fractionalSeconds(Double(sent) / Double(max(1, bytesPerSecond)))
            }
            if pieces[head].bytes.isEmpty { head += 1 }
            if head == pieces.count { removeAll() }
        }
        return true
    }
}
