import Foundation
import LambdaSimulator

/// A hosts file of our own, and a wrapper that starts the extension with it.
final class HostsFile {
    private let directory: String
    /// Has the extension's file name.
    let wrapper: String

    static let isAvailable: Bool = {
        guard let hosts = try? HostsFile("", binary: "/bin/true") else { return false }
        let process = Process()
        process.executableURL = URL(filePath: hosts.wrapper)
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    init(_ text: String, binary: String = Binary.permafrost) throws {
        directory = try TemporaryDirectory.make("hosts")
        wrapper = directory + "/permafrost"
        let file = directory + "/hosts"
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let script = """
            #!/bin/sh
            exec unshare --mount /bin/sh -c 'mount --bind "\(file)" /etc/hosts && exec "\(binary)"'

            """
        try script.write(toFile: wrapper, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: wrapper)
    }

    deinit {
        TemporaryDirectory.remove(directory)
    }
}
