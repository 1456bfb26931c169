import Foundation

/// A non-blocking TCP socket on loopback, owned by a network's thread.
struct NetworkSocket {
    let descriptor: Int32

    enum Received {
        case bytes([UInt8])
        case nothingYet
        case end
        case broken
    }

    private static let stream =
        Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return name
    }

    static func listening() throws(SimulatorError) -> (socket: NetworkSocket, port: UInt16) {
        let descriptor = socket(AF_INET, stream, 0)
        guard descriptor >= 0 else { throw .system(call: "socket", errno: errno) }
        var name = loopback(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), size) == 0 && listen(descriptor, 512) == 0
                    && getsockname(descriptor, __SOCKADDR_ARG(__sockaddr__: $0), &size) == 0
            }
        }
        guard isBound else {
            let error = errno
            Foundation.close(descriptor)
            throw .system(call: "listen", errno: error)
        }
        return (NetworkSocket(descriptor: descriptor), UInt16(bigEndian: name.sin_port))
    }

    /// Begins a connection; a refusal is seen by the first receive. Nil when there is no descriptor left.
    static func connecting(to port: UInt16) -> NetworkSocket? {
        let descriptor = socket(AF_INET, stream, 0)
        guard descriptor >= 0 else { return nil }
        var name = loopback(port)
        let code = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(
                    descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 || errno == EINPROGRESS else {
            Foundation.close(descriptor)
            return nil
        }
        let made = NetworkSocket(descriptor: descriptor)
        made.sendAtOnce()
        return made
    }

    func accepted() -> NetworkSocket? {
        let peer = accept4(
            descriptor, __SOCKADDR_ARG(), nil, Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue))
        guard peer >= 0 else { return nil }
        let made = NetworkSocket(descriptor: peer)
        made.sendAtOnce()
        return made
    }

    private func sendAtOnce() {
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    func receive() -> Received {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count > 0 { return .bytes(Array(buffer.prefix(count))) }
        if count == 0 { return .end }
        return errno == EAGAIN || errno == EINTR ? .nothingYet : .broken
    }

    /// How many bytes the kernel took; nil when the connection is broken.
    func send(_ bytes: ArraySlice<UInt8>) -> Int? {
        let count = bytes.withUnsafeBytes {
            Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if count >= 0 { return count }
        // ENOTCONN and EAGAIN: the connection is still coming up, or the peer's window is full.
        return [EAGAIN, EINTR, ENOTCONN].contains(errno) ? 0 : nil
    }

    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    func close() { Foundation.close(descriptor) }

    /// Closes with a RST.
    func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        close()
    }
}
