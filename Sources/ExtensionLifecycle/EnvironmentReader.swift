import TelemetryModel

/// Reads typed values out of an environment, and collects what is wrong with it: all problems together, each a sentence
/// that names the variable. A value of a variable that may hold a credential is never quoted.
struct EnvironmentReader {
    private let environment: [String: String]
    private let usesAliases: Bool
    private(set) var problems: [ConfigurationProblem] = []
    /// Aliases that gave a value.
    private(set) var aliasesTaken: [String] = []

    init(_ environment: [String: String]) {
        self.environment = environment
        let ownURL = [EnvironmentKey.openSearchURL, .pushGatewayURL].contains { key in
            !(environment[key.rawValue] ?? "").isEmpty
        }
        let witness = EnvironmentKey.aliasWitnesses.contains { !(environment[$0] ?? "").isEmpty }
        self.usesAliases = !ownURL && witness
    }

    /// The value without surrounding blanks; nil when unset or empty.
    mutating func text(_ key: EnvironmentKey) -> String? {
        if let value = trimmed(environment[key.rawValue]) { return value }
        guard usesAliases, let alias = key.alias, let value = trimmed(environment[alias]) else { return nil }
        if !aliasesTaken.contains(alias) { aliasesTaken.append(alias) }
        return value
    }

    /// The name under which the value was found, for messages.
    func name(of key: EnvironmentKey) -> String {
        if trimmed(environment[key.rawValue]) != nil { return key.rawValue }
        if let alias = key.alias, usesAliases, trimmed(environment[alias]) != nil { return alias }
        return key.rawValue
    }

    mutating func report(_ key: EnvironmentKey, _ sentence: String) {
        problems.append(ConfigurationProblem(variable: name(of: key), sentence: sentence))
    }

    mutating func integer(_ key: EnvironmentKey, in range: ClosedRange<Int>, default fallback: Int) -> Int {
        guard let text = text(key) else { return fallback }
        guard let value = Int(text), range.contains(value) else {
            report(
                key,
                "must be a whole number from \(range.lowerBound) to \(range.upperBound), not '\(excerpt(text))'; "
                    + "\(fallback) is used")
            return fallback
        }
        return value
    }

    mutating func milliseconds(_ key: EnvironmentKey, in range: ClosedRange<Int>, default fallback: Int) -> Duration {
        .milliseconds(integer(key, in: range, default: fallback))
    }

    mutating func bool(_ key: EnvironmentKey, default fallback: Bool) -> Bool {
        guard let text = text(key) else { return fallback }
        switch text.lowercased() {
        case "true", "1", "yes", "on": return true
        case "false", "0", "no", "off": return false
        default:
            report(key, "must be true or false, not '\(excerpt(text))'; \(fallback) is used")
            return fallback
        }
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: EnvironmentKey, default fallback: Choice
    ) -> Choice where Choice.RawValue == String {
        guard let text = text(key) else { return fallback }
        if let choice = Choice(rawValue: text.lowercased()) { return choice }
        let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        report(key, "must be one of \(known), not '\(excerpt(text))'; \(fallback.rawValue) is used")
        return fallback
    }

    /// `24h`, `90m`, `3600s`, `2d`, a blank before the unit allowed; a bare number is seconds; 0 is zero.
    mutating func period(_ key: EnvironmentKey, default fallback: Duration) -> Duration {
        guard let text = text(key) else { return fallback }
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        let scale: Int? =
            switch unit {
            case "", "s": 1
            case "m": 60
            case "h": 3600
            case "d": 86400
            default: nil
            }
        guard let scale, let number = Int(digits), number <= 3_650 * 86_400 / scale else {
            report(key, "must be a period such as 24h, 90m, 3600s or 0, not '\(excerpt(text))'; 24h is used")
            return fallback
        }
        return .seconds(number * scale)
    }

    /// Names with our prefix that mean nothing: nearly always a typing error.
    mutating func reportUnknownKeys() {
        for name in environment.keys.sorted()
        where name.hasPrefix("PERMAFROST_") && EnvironmentKey(rawValue: name) == nil && name != "PERMAFROST_CRASH_AT" {
            problems.append(
                ConfigurationProblem(
                    variable: Self.printable(name), sentence: "is not a variable of Permafrost and has no effect"))
        }
    }

    /// A name from outside, which stands unquoted in a line of ours.
    private static func printable(_ name: String) -> String {
        String(name.unicodeScalars.prefix(80).map { $0.isASCII && $0.properties.isXIDContinue ? Character($0) : "?" })
    }

    private func trimmed(_ value: String?) -> String? {
        guard let value else { return nil }
        let blank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r" || $0 == "\r\n" }
        let text = value.drop(while: blank)
        let end = text.lastIndex { !blank($0) }
        guard let end else { return nil }
        return String(text[...end])
    }

    /// Enough of a value to recognise it in a one-line message.
    private func excerpt(_ text: String) -> String {
        let clean = text.unicodeScalars.prefix(40).map { Self.isControl($0) || $0 == "'" ? "?" : Character($0) }
        return String(clean)
    }

    /// What ends a line or steers a terminal: C0, DEL, C1 and Unicode's two separators.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7f...0x9f, 0x2028, 0x2029: true
        default: false
        }
    }
}

/// One thing that is wrong with the configuration.
package struct ConfigurationProblem: Equatable, Sendable {
    package var variable: String
    /// Continues the variable's name: "must be …".
    package var sentence: String

    package init(variable: String, sentence: String) {
        self.variable = variable
        self.sentence = sentence
    }
}
