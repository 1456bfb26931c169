import Testing

/// What no source does.
@Suite struct CodeTests {
    private static func linked() throws -> [Repository.SourceFile] {
        let linked = try Manifest().linked
        return try Repository.swiftFiles(below: "Sources").filter { linked.contains($0.module) }
    }

    /// A trap in the extension is an `Extension.Crash` for somebody's function.
    @Test func `nothing that is linked into the extension traps on purpose`() throws {
        let traps = [
            "try!", "as!", "fatalError(", "precondition(", "preconditionFailure(", "unsafelyUnwrapped",
            "unowned(unsafe)",
        ]
        let files = try Self.linked()
        #expect(files.count > 100)
        for file in files {
            for (index, line) in file.code.lines.enumerated() {
                for trap in traps where line.contains(trap) {
                    Issue.record("\(file.path):\(index + 1) \(trap)")
                }
            }
        }
    }

    @Test func `nothing that is linked into the extension unwraps by force`() throws {
        for file in try Self.linked() {
            for (index, line) in file.code.lines.enumerated() {
                if Self.unwraps(line) { Issue.record("\(file.path):\(index + 1)") }
            }
        }
    }

    /// A `!` behind a value or a type, which is not the beginning of `!=`.
    private static func unwraps(_ line: String) -> Bool {
        line.utf8.contains(UInt8(ascii: "!")) && line.firstMatch(of: #/[\w)\]}"?]!(?!=[^=])/#) != nil
    }

    @Test(arguments: [
        ("a!", true), ("f()!.b", true), ("a[0]! + 1", true), ("var a: Int!", true), ("a!==b", true), ("!a", false),
        ("if !a", false), ("a != b", false), ("a!=b", false), ("(!a)", false), ("\"\"!", true),
    ])
    func `a forced unwrapping is told from a negation`(line: String, isForced: Bool) {
        #expect(Self.unwraps(line) == isForced)
    }

    @Test func `what the compiler does not check carries its proof`() throws {
        for file in try Repository.swiftFiles(below: "Sources") {
            let text = file.text.split(separator: "\n", omittingEmptySubsequences: false)
            for (index, line) in file.code.lines.enumerated()
            where line.contains("@unchecked Sendable") || line.contains("nonisolated(unsafe)") {
                let around = text[max(0, index - 1)...min(text.count - 1, index + 2)]
                #expect(around.contains { $0.contains("//") }, "\(file.path):\(index + 1)")
            }
        }
    }

    @Test func `nothing is public, for there is one binary`() throws {
        for file in try Repository.swiftFiles(below: "Sources") {
            for (index, line) in file.code.lines.enumerated() {
                guard line.contains("public") else { continue }
                #expect(!line.split { !$0.isLetter }.contains("public"), "\(file.path):\(index + 1)")
            }
        }
    }

    @Test func `a file has one reason to change, and so is short`() throws {
        for file in try Repository.swiftFiles(below: "Sources") {
            #expect(file.lineCount <= 450, "\(file.path) has \(file.lineCount) lines")
        }
    }

    @Test func `nothing is left for later`() throws {
        let marks = ["TO" + "DO", "FIX" + "ME"]
        for file in try ["Sources", "Tests", "Benchmarks"].flatMap({ try Repository.swiftFiles(below: $0) }) {
            for mark in marks where file.text.contains(mark) { Issue.record("\(file.path) \(mark)") }
        }
    }
}
