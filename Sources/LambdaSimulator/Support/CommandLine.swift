/// Options of a command line: `--name value`, `--name=value`, and flags.
package struct CommandOptions: Sendable {
    /// An argument that is not understood, in words for its user.
    package struct Problem: Error, CustomStringConvertible, Sendable {
        package var description: String

        package init(description: String) {
            self.description = description
        }
    }

    private var values: [String: String] = [:]
    private var flags: Set<String> = []
    package private(set) var operands: [String] = []

    package init(_ arguments: some Sequence<String>, valued: Set<String>, flags known: Set<String>) throws(Problem) {
        var rest = Array(arguments)
        while !rest.isEmpty {
            let argument = rest.removeFirst()
            guard argument.hasPrefix("--") else {
                operands.append(argument)
                continue
            }
            let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            if known.contains(name), parts.count == 1 {
                flags.insert(name)
            } else if valued.contains(name) {
                if parts.count == 2 {
                    values[name] = String(parts[1])
                } else if !rest.isEmpty {
                    values[name] = rest.removeFirst()
                } else {
                    throw Problem(description: "--\(name) needs a value")
                }
            } else {
                throw Problem(description: "unknown option --\(name)")
            }
        }
    }

    package func has(_ name: String) -> Bool { flags.contains(name) }
    package func value(_ name: String) -> String? { values[name] }

    package func int(_ name: String, default standard: Int) throws(Problem) -> Int {
        guard let text = values[name] else { return standard }
        guard let number = Int(text), number >= 0 else {
            throw Problem(description: "--\(name) needs a number, not \(text)")
        }
        return number
    }
}
