import Glibc

/// Why a raw connection ended.
package enum RawConnectionError: Error, Equatable, Sendable {
    case connect(errno: Int32)
    /// Closed or reset by the peer.
    case closed
    case timedOut
    case cancelled
    case malformedResponse
}

/// An answer as far as telemetry needs one.
package struct RawResponse: Equatable, Sendable {
    package var status: Int
    package var headers: [String: String]
    package var body: [UInt8]
}

/// A TCP connection on loopback whose every byte and end the caller decides: half bodies, lost answers, resets. One
/// thread uses it.
package final class RawConnection {
    private let descriptor: Int32
    private var received: [UInt8] = []
    private var isOpen = true
    /// Looked at ten times a second while something is waited for.
    package var isCancelled: () -> Bool = { false }

    package init(port: UInt16, address: String = "127.0.0.1") throws(RawConnectionError) {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw .connect(errno: errno) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        inet_pton(AF_INET, address, &name.sin_addr)
        let code = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, __CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else {
            let error = errno
            Glibc.close(socket)
            throw .connect(errno: error)
        }
        var on: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        descriptor = socket
    }

    deinit {
        close()
    }

    package func close() {
        guard isOpen else { return }
        isOpen = false
        Glibc.close(descriptor)
    }

    /// Closes with a RST: what the peer has sent and still sends is thrown away.
    package func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    /// No more bytes from us; answers can still be read.
    package func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// True when an idle connection has been closed by the peer.
    package var isPeerGone: Bool {
        guard isOpen else { return true }
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return count == 0 || (count < 0 && errno != EAGAIN)
    }

    package func send(_ bytes: [UInt8], timeout: Duration = .seconds(30)) throws(RawConnectionError) {
        let deadline = ContinuousClock.now + timeout
        var sent = 0
        while sent < bytes.count {
            try wait(for: POLLOUT, until: deadline)
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    descriptor, buffer.baseAddress.map { $0 + sent }, buffer.count - sent,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count >= 0 {
                sent += count
            } else if errno != EAGAIN && errno != EINTR {
                throw .closed
            }
        }
    }

    /// What is there, at least one byte; empty when the peer has finished.
    package func receive(timeout: Duration) throws(RawConnectionError) -> [UInt8] {
        try wait(for: POLLIN, until: .now + timeout)
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count >= 0 else { throw .closed }
        return Array(buffer.prefix(count))
    }

    /// Waits for the first byte of an answer and leaves it unread.
    package func waitForAnswer(timeout: Duration) throws(RawConnectionError) {
        guard received.isEmpty else { return }
        try wait(for: POLLIN, until: .now + timeout)
    }

    private func wait(for events: Int32, until deadline: ContinuousClock.Instant) throws(RawConnectionError) {
        guard isOpen else { throw .closed }
        while true {
            if isCancelled() { throw .cancelled }
            let left = (deadline - ContinuousClock.now).milliseconds
            guard left > 0 else { throw .timedOut }
            var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            let count = poll(&entry, 1, Int32(min(100, left.rounded(.up))))
            if count > 0 { return }
            if count < 0, errno != EINTR { throw .closed }
        }
    }

    /// Reads one response. `onHead` is called when its head is complete.
    package func readResponse(
        timeout: Duration, onHead: () -> Void = {}
    ) throws(RawConnectionError) -> RawResponse {
        let deadline = ContinuousClock.now + timeout
        let separator = Array("\r\n\r\n".utf8)
        while received.firstRange(of: separator) == nil {
            guard received.count < 1 << 20 else { throw .malformedResponse }
            let bytes = try receive(timeout: deadline - .now)
            guard !bytes.isEmpty else { throw .closed }
            received += bytes
        }
        onHead()
        guard let end = received.firstRange(of: separator) else { throw .malformedResponse }
        let head = String(decoding: received[..<end.lowerBound], as: UTF8.self)
        received.removeSubrange(..<end.upperBound)
        let lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)
        let parts = lines.first?.split(separator: " ") ?? []
        guard parts.count >= 2, let status = Int(parts[1]) else { throw .malformedResponse }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers[line[..<colon].lowercased()] = String(value)
        }
        if status == 100 { return try readResponse(timeout: deadline - .now, onHead: onHead) }
        let body = try readBody(status: status, headers: headers, deadline: deadline)
        if headers["connection"]?.lowercased() == "close" { close() }
        return RawResponse(status: status, headers: headers, body: body)
    }

    private func readBody(
        status: Int, headers: [String: String], deadline: ContinuousClock.Instant
    ) throws(RawConnectionError) -> [UInt8] {
        if status == 204 || status == 304 { return [] }
        if let length = headers["content-length"].flatMap({ Int($0) }), length >= 0 {
            while received.count < length { try more(deadline) }
            defer { received.removeFirst(length) }
            return Array(received.prefix(length))
        }
        if headers["transfer-encoding"]?.lowercased() == "chunked" {
            let last = Array("0\r\n\r\n".utf8)
            while !received.elementsEqual(last), !received.suffix(7).elementsEqual([13, 10] + last) {
                try more(deadline)
            }
            defer { received = [] }
            return received
        }
        while true {
            do {
                try more(deadline)
            } catch .closed {
                defer { received = [] }
                close()
                return received
            }
        }
    }

    private func more(_ deadline: ContinuousClock.Instant) throws(RawConnectionError) {
        let bytes = try receive(timeout: deadline - .now)
        guard !bytes.isEmpty else { throw .closed }
        received += bytes
    }
}
