import Foundation
import Synchronization

/// The sources as text, found from where this file lies.
enum Repository {
    static let root: URL = {
        var url = URL(filePath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url
    }()

    struct SourceFile: Sendable {
        /// Below the root.
        let path: String
        let text: String
        let code: SwiftCode

        /// `Sources/X/…` and `Tests/X/…` are of the module X.
        var module: String { String(path.split(separator: "/").dropFirst().first ?? "") }

        var lineCount: Int { text.split(separator: "\n", omittingEmptySubsequences: false).count - 1 }

        /// The modules it imports, however.
        var imports: [String] {
            code.lines.compactMap { line in
                let words = line.split(separator: " ")
                guard let position = words.firstIndex(of: "import"), position + 1 < words.count,
                    words[..<position].allSatisfy({ $0.hasPrefix("@") || Self.accessLevels.contains(String($0)) })
                else { return nil }
                // `import struct Module.Name`
                let named = words.count > position + 2 && Self.kinds.contains(String(words[position + 1]))
                return words[named ? position + 2 : position + 1].split(separator: ".").first.map(String.init)
            }
        }

        private static let accessLevels: Set = ["public", "package", "internal", "fileprivate", "private"]
        private static let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
    }

    private static let read = Mutex<[String: [SourceFile]]>([:])

    /// The Swift files below a folder of the root, read once.
    static func swiftFiles(below folder: String) throws -> [SourceFile] {
        try read.withLock { read in
            if let files = read[folder] { return files }
            let files = try readFiles(below: folder)
            read[folder] = files
            return files
        }
    }

    private static func readFiles(below folder: String) throws -> [SourceFile] {
        let base = root.appending(path: folder)
        guard let walk = FileManager.default.enumerator(atPath: base.path) else { throw CocoaError(.fileNoSuchFile) }
        var files: [SourceFile] = []
        for case let name as String in walk where name.hasSuffix(".swift") {
            let text = try String(contentsOf: base.appending(path: name), encoding: .utf8)
            files.append(SourceFile(path: "\(folder)/\(name)", text: text, code: SwiftCode(text)))
        }
        return files.sorted { $0.path < $1.path }
    }

    static func text(of name: String) throws -> String {
        try String(contentsOf: root.appending(path: name), encoding: .utf8)
    }

    /// The cells of every row of a Markdown table whose first cell begins with a name in backticks that has this prefix.
    static func tableRows(in markdown: String, prefix: String) -> [[String]] {
        markdown.split(separator: "\n").compactMap { line in
            guard line.hasPrefix("|"), line.hasSuffix("|") else { return nil }
            let cells = line.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
            return cells.first?.hasPrefix("`\(prefix)") == true ? cells : nil
        }
    }

    static func withoutBackticks(_ cell: String) -> String { cell.replacing("`", with: "") }
}

/// Which targets there are and what they say they depend on, as `Package.swift` has it.
struct Manifest {
    /// Dependencies by target, test targets included.
    let dependencies: [String: Set<String>]

    init() throws {
        let text = try Repository.text(of: "Package.swift")
        var found: [String: Set<String>] = [:]
        let target = #/\.(?:systemLibrary|target|executableTarget|testTarget)\(\s*name: "(\w+)"/#
        let matches = text.matches(of: target)
        for (index, match) in matches.enumerated() {
            let end = index + 1 < matches.count ? matches[index + 1].range.lowerBound : text.endIndex
            let declaration = text[match.range.upperBound..<end]
            var names: Set<String> = []
            if let list = declaration.firstMatch(of: #/dependencies:\s*\[([^\]]*)\]/#) {
                names = Set(list.1.matches(of: #/"(\w+)"/#).map { String($0.1) })
            }
            found[String(match.1)] = names
        }
        dependencies = found
    }

    /// What is linked into the extension: everything that `permafrost` depends on, and itself.
    var linked: Set<String> {
        var linked: Set<String> = []
        var waiting = ["permafrost"]
        while let next = waiting.popLast() {
            guard linked.insert(next).inserted else { continue }
            waiting += dependencies[next] ?? []
        }
        return linked
    }
}
