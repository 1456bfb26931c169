import Foundation
import LambdaSimulator

/// A fresh directory that removes itself.
final class ScratchDirectory {
    let path: String

    init() throws {
        let parent = ProcessInfo.processInfo.environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        var template = Array((parent + "/permafrost-benchmark-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw SimulatorError.system(call: "mkdtemp", errno: errno) }
        path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// A second directory with the same files.
    func copy() throws -> ScratchDirectory {
        let copy = try ScratchDirectory()
        for name in try FileManager.default.contentsOfDirectory(atPath: path) {
            try FileManager.default.copyItem(atPath: path + "/" + name, toPath: copy.path + "/" + name)
        }
        return copy
    }

    /// Bytes that the files below it occupy.
    func bytesOnDisk() throws -> Int {
        var total = 0
        for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
            var status = stat()
            guard lstat(path + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            total += Int(status.st_blocks) * 512
        }
        return total
    }
}
