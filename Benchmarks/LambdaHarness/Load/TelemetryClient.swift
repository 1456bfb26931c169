import Glibc
import LambdaSimulator

/// The platform's side of one connection: a whole POST, then its answer. Requests are made before the clock starts.
final class TelemetryClient {
    private let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 4096)

    init(port: UInt16) throws {
        descriptor = try Loopback.connect(port)
    }

    deinit {
        close(descriptor)
    }

    /// A POST with its body, ready to be sent.
    static func request(_ body: [UInt8]) -> [UInt8] {
        let head =
            "POST / HTTP/1.1\r\nHost: sandbox.localdomain\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(body.count)\r\n\r\n"
        return Array(head.utf8) + body
    }

    /// - Returns: nanoseconds from before the first byte until the whole answer was there; nil when it was not a 200.
    func post(_ request: [UInt8]) -> UInt64? {
        let began = Clock.monotonic()
        guard Loopback.send(descriptor, request) else { return nil }
        var count = 0
        while count < buffer.count {
            let received = buffer.withUnsafeMutableBytes { bytes in
                recv(descriptor, bytes.baseAddress.map { $0 + count }, bytes.count - count, 0)
            }
            if received < 0, errno == EINTR { continue }
            guard received > 0 else { return nil }
            count += received
            // The answers to POSTs have no body.
            if count >= 4, buffer[count - 4..<count].elementsEqual([13, 10, 13, 10]) { break }
        }
        let ended = Clock.monotonic()
        guard buffer.starts(with: Self.accepted) else { return nil }
        return ended - began
    }

    private static let accepted = Array("HTTP/1.1 200 ".utf8)
}
