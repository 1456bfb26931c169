import Glibc
import LambdaSimulator

/// TCP on 127.0.0.1 with blocking calls.
enum Loopback {
    private static func address(_ port: UInt16) -> sockaddr_in {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return name
    }

    private static func socket() throws -> Int32 {
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SimulatorError.system(call: "socket", errno: errno) }
        return descriptor
    }

    private static func withAddress<R>(
        _ name: inout sockaddr_in, _ body: (__SOCKADDR_ARG, __CONST_SOCKADDR_ARG, socklen_t) -> R
    ) -> R {
        withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body(
                    __SOCKADDR_ARG(__sockaddr__: $0), __CONST_SOCKADDR_ARG(__sockaddr__: UnsafePointer($0)),
                    socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// A listening socket on a free port. What connects and is never accepted waits in the kernel: a server that hangs.
    static func listen() throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = try socket()
        var name = address(0)
        guard withAddress(&name, { bind(descriptor, $1, $2) }) == 0, Glibc.listen(descriptor, 128) == 0 else {
            let code = errno
            close(descriptor)
            throw SimulatorError.system(call: "listen", errno: code)
        }
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withAddress(&name) { pointer, _, _ in getsockname(descriptor, pointer, &length) }
        return (descriptor, UInt16(bigEndian: name.sin_port))
    }

    static func connect(_ port: UInt16) throws -> Int32 {
        let descriptor = try socket()
        var name = address(port)
        guard withAddress(&name, { Glibc.connect(descriptor, $1, $2) }) == 0 else {
            let code = errno
            close(descriptor)
            throw SimulatorError.system(call: "connect", errno: code)
        }
        setNoDelay(descriptor)
        return descriptor
    }

    static func accept(_ listener: Int32) -> Int32? {
        var name = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = withAddress(&name) { pointer, _, _ in
            accept4(listener, pointer, &length, Int32(SOCK_CLOEXEC.rawValue))
        }
        guard descriptor >= 0 else { return nil }
        setNoDelay(descriptor)
        return descriptor
    }

    static func setNoDelay(_ descriptor: Int32) {
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// A port that nobody listens on now.
    static func freePort() throws -> UInt16 {
        let (descriptor, port) = try listen()
        close(descriptor)
        return port
    }

    /// False when the peer is gone.
    static func send(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    descriptor, buffer.baseAddress.map { $0 + sent }, buffer.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count > 0 { sent += count } else if errno != EINTR { return false }
        }
        return true
    }
}
