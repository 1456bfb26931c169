/// The words behind a command: `--flag`, `--name value` or `--name=value`, and the rest, in any order.
struct Options {
    private(set) var positional: [String] = []
    private var flags: Set<String> = []
    private var values: [String: String] = [:]

    /// - Parameters:
    ///   - flags: options without a value, with their dashes.
    ///   - valued: options that need one.
    init(_ words: ArraySlice<String>, flags known: Set<String> = [], valued: Set<String> = []) throws(UsageError) {
        var words = words
        while let word = words.popFirst() {
            guard word.hasPrefix("--") else {
                // A lone dash means standard output; other words with one dash are typing errors.
                guard word == "-" || !word.hasPrefix("-") else { throw UsageError("There is no option '\(word)'.") }
                positional.append(word)
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let name = parts.first ?? word
            if known.contains(name), parts.count == 1 {
                flags.insert(name)
            } else if valued.contains(name) {
                let value = parts.count == 2 ? parts[1] : words.popFirst()
                guard let value, !value.isEmpty else { throw UsageError("The option \(name) needs a value.") }
                values[name] = value
            } else {
                // What follows '=' may be a secret.
                throw UsageError("There is no option '\(name)'\(parts.count == 2 ? " with a value" : "").")
            }
        }
    }

    func has(_ flag: String) -> Bool { flags.contains(flag) }

    func value(_ name: String) -> String? { values[name] }

    /// The one word that the command needs.
    func only(_ what: String) throws(UsageError) -> String {
        guard let first = positional.first else { throw UsageError("Name \(what).") }
        guard positional.count == 1 else {
            throw UsageError("Name one \(what.split(separator: " ").last ?? "thing") only.")
        }
        return first
    }
}
