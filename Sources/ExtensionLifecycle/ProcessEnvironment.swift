import Glibc

/// The process's environment and name, read once at start.
package enum ProcessEnvironment {
    package static func variables() -> [String: String] {
        var variables: [String: String] = [:]
        // `environ` is written by nobody: we start no thread before this and never call setenv.
        var entry = environ
        while let pointer = entry.pointee {
            let text = String(cString: pointer)
            if let separator = text.firstIndex(of: "=") {
                variables[String(text[..<separator])] = String(text[text.index(after: separator)...])
            }
            entry += 1
        }
        return variables
    }

    /// The file name under which Lambda started us: what register must name.
    package static func executableName(arguments: [String]) -> String {
        if let path = arguments.first, let name = path.split(separator: "/").last { return String(name) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let length = buffer.withUnsafeMutableBytes { raw -> Int in
            guard let base = raw.baseAddress else { return -1 }
            return readlink("/proc/self/exe", base.assumingMemoryBound(to: CChar.self), raw.count)
        }
        guard length > 0 else { return "permafrost" }
        let path = String(decoding: buffer[..<length], as: UTF8.self)
        return path.split(separator: "/").last.map(String.init) ?? "permafrost"
    }
}
