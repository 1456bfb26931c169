import Glibc
import LambdaSimulator

/// An address that answers no connection attempt: its queue is full and nobody accepts.
final class BlackHole {
    private var descriptors: [Int32] = []
    private let port: UInt16

    init(port wanted: UInt16 = 0) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = wanted.bigEndian
        inet_pton(AF_INET, "127.0.0.1", &name.sin_addr)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, __CONST_SOCKADDR_ARG(__sockaddr__: address), size) == 0 && listen(listener, 0) == 0
                    && getsockname(listener, __SOCKADDR_ARG(__sockaddr__: address), &size) == 0
            }
        }
        guard listener >= 0, bound else { throw SimulatorError.system(call: "listen", errno: errno) }
        descriptors = [listener]
        port = UInt16(bigEndian: name.sin_port)
        // A queue of length 0 takes one; the SYNs of all others are dropped.
        for _ in 0..<4 {
            let filler = socket(
                AF_INET,
                Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            withUnsafePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = connect(filler, __CONST_SOCKADDR_ARG(__sockaddr__: $0), size)
                }
            }
            descriptors.append(filler)
        }
    }

    deinit {
        close()
    }

    var url: String { "http://127.0.0.1:\(port)" }

    func close() {
        for descriptor in descriptors { Glibc.close(descriptor) }
        descriptors = []
    }
}
