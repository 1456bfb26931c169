import Foundation

/// `/opt/extensions`: every entry directly in it that is no directory is started.
package enum ExtensionFolder {
    /// Full paths, sorted.
    package static func executables(in directory: String) throws(SimulatorError) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        let paths = names.sorted().map { directory + "/" + $0 }.filter { path in
            var isDirectory: ObjCBool = false
            return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && !isDirectory.boolValue
        }
        guard !paths.isEmpty else { throw .noExtensions(directory) }
        return paths
    }
}

/// A directory of its own below the system's temporary one, or below `parent`.
package enum TemporaryDirectory {
    package static func make(_ label: String, in parent: String? = nil) throws(SimulatorError) -> String {
        let base = parent ?? NSTemporaryDirectory().trimmingSuffix("/")
        var template = Array("\(base)/\(label)-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw .system(call: "mkdtemp", errno: errno) }
        return String(cString: made)
    }

    package static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }
}

private extension String {
    func trimmingSuffix(_ suffix: String) -> String {
        count > suffix.count && hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
