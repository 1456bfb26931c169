import Foundation
import LambdaSimulator

/// A tmpfs of a few MiB, which a test can fill.
final class SmallDisk {
    let path: String

    static let isAvailable: Bool = {
        guard let disk = try? SmallDisk(bytes: 1 << 20) else { return false }
        disk.close()
        return true
    }()

    init(bytes: Int) throws {
        path = try TemporaryDirectory.make("disk")
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(bytes)") == 0 else {
            TemporaryDirectory.remove(path)
            throw SimulatorError.system(call: "mount", errno: errno)
        }
    }

    deinit {
        close()
    }

    private var filler: String { path + "/filler" }

    /// Takes every byte that is left.
    func fill() throws {
        let descriptor = open(filler, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        guard descriptor >= 0 else { throw SimulatorError.system(call: "open", errno: errno) }
        defer { Foundation.close(descriptor) }
        for size in [1 << 16, 1 << 10, 1] {
            let bytes = [UInt8](repeating: 0, count: size)
            while write(descriptor, bytes, size) == size {}
        }
    }

    func empty() { unlink(filler) }

    func close() {
        umount2(path, Int32(MNT_DETACH))
        TemporaryDirectory.remove(path)
    }
}
