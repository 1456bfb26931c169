import Glibc

/// A new file for this user alone: what goes into it is somebody's log.
final class OutputFile {
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var failed = false

    /// Nil when the file is there already or cannot be made.
    init?(path: String) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return nil }
    }

    deinit {
        close(descriptor)
    }

    func append(_ bytes: [UInt8]) {
        buffer += bytes
        if buffer.count >= 1 << 18 { flush() }
    }

    /// False when something could not be written.
    func finish() -> Bool {
        flush()
        return !failed
    }

    private func flush() {
        buffer.withUnsafeBytes { bytes in
            var rest = bytes
            while !rest.isEmpty, !failed {
                let written = write(descriptor, rest.baseAddress, rest.count)
                if written < 0, errno == EINTR { continue }
                guard written > 0 else {
                    failed = true
                    return
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
