import Foundation
import LambdaSimulator

/// A name server that hears every question and answers none, and a wrapper that starts the extension with it.
final class DeafResolver {
    private static let address = "127.0.0.77"

    private let directory: String
    private let descriptor: Int32
    /// Has the extension's file name.
    let wrapper: String

    static let isAvailable: Bool = {
        guard FileManager.default.fileExists(atPath: "/etc/resolv.conf"),
            let resolver = try? DeafResolver(binary: "/bin/true")
        else { return false }
        defer { resolver.close() }
        let process = Process()
        process.executableURL = URL(filePath: resolver.wrapper)
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    init(binary: String) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = UInt16(53).bigEndian
        inet_pton(AF_INET, Self.address, &name.sin_addr)
        let bound = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard bound == 0 else {
            let error = errno
            Foundation.close(descriptor)
            throw SimulatorError.system(call: "bind", errno: error)
        }
        self.descriptor = descriptor
        directory = try TemporaryDirectory.make("resolver")
        wrapper = directory + "/permafrost"
        let configuration = directory + "/resolv.conf"
        try "nameserver \(Self.address)\n".write(toFile: configuration, atomically: true, encoding: .utf8)
        let script = """
            #!/bin/sh
            exec unshare --mount /bin/sh -c \
            'mount --bind "\(configuration)" "$(readlink -f /etc/resolv.conf)" && exec "\(binary)"'

            """
        try script.write(toFile: wrapper, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: wrapper)
    }

    deinit {
        close()
    }

    /// A question has come.
    var wasAsked: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) >= 0
    }

    private var isClosed = false

    func close() {
        guard !isClosed else { return }
        isClosed = true
        Foundation.close(descriptor)
        TemporaryDirectory.remove(directory)
    }
}
