import Glibc

/// Bytes on their way to one socket.
struct OutputQueue {
    private var pieces: [[UInt8]] = []
    /// Bytes of the first piece that are gone.
    private var offset = 0

    enum Outcome { case empty, blocked, failed }

    mutating func append(_ bytes: [UInt8]) {
        if !bytes.isEmpty { pieces.append(bytes) }
    }

    /// A head and its body: one piece when the body is small, so that they leave in one segment.
    mutating func append(_ head: [UInt8], _ body: [UInt8]) {
        if body.count <= 16 << 10 {
            append(head + body)
        } else {
            append(head)
            append(body)
        }
    }

    mutating func write(to descriptor: Int32) -> Outcome {
        while let piece = pieces.first {
            let more = pieces.count > 1 ? Int32(MSG_MORE) : 0
            let sent = piece.withUnsafeBytes { bytes in
                send(
                    descriptor, bytes.baseAddress.map { $0 + offset }, bytes.count - offset,
                    Int32(MSG_NOSIGNAL) | more)
            }
            if sent < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN || errno == EWOULDBLOCK ? .blocked : .failed
            }
            offset += sent
            guard offset >= piece.count else { continue }
            offset = 0
            pieces.removeFirst()
        }
        return .empty
    }
}
