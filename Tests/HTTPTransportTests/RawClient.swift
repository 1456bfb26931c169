import Glibc

/// A socket on loopback that sends any bytes, as no decent client would.
final class RawClient {
    private(set) var descriptor: Int32

    /// A read that waits longer than ten seconds gives up, so that a silent server fails a test and does not hang it.
    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw Failure.connect(errno) }
    }

    deinit { disconnect() }

    enum Failure: Error { case connect(Int32) }

    func disconnect(reset: Bool = false) {
        guard descriptor >= 0 else { return }
        if reset {
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        }
        close(descriptor)
        descriptor = -1
    }

    /// Whether the kernel took all of it.
    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let sent = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress.map { $0 + offset }, $0.count - offset, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { return false }
            offset += sent
        }
        return true
    }

    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    enum Ending: Equatable { case end, reset, silence }

    /// Everything up to the end of the connection, and how it ended.
    func readToEnd() -> (text: String, ending: Ending) {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let received = recv(descriptor, &chunk, chunk.count, 0)
            if received > 0 {
                bytes += chunk[..<received]
            } else if received == 0 {
                return (String(decoding: bytes, as: UTF8.self), .end)
            } else if errno != EINTR {
                let ending: Ending = errno == EAGAIN ? .silence : .reset
                return (String(decoding: bytes, as: UTF8.self), ending)
            }
        }
    }

    /// One answer with a `Content-Length`, no byte further.
    func readAnswer() -> String {
        var bytes: [UInt8] = []
        while true {
            var byte: UInt8 = 0
            guard recv(descriptor, &byte, 1, 0) == 1 else { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
            let text = String(decoding: bytes, as: UTF8.self)
            guard let head = text.range(of: "\r\n\r\n") else { continue }
            let length =
                text[..<head.lowerBound].split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
                .flatMap { Int($0.dropFirst("Content-Length: ".count)) } ?? 0
            if text[head.upperBound...].utf8.count >= length { return text }
        }
    }

    /// Whether something, be it the end, can be read within the time.
    func isReadable(within milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }
}

extension String {
    func range(of other: String) -> Range<Index>? {
        firstRange(of: other)
    }

    var statusCode: Int { Int(split(separator: " ").dropFirst().first ?? "") ?? 0 }
}
