/// The line Permafrost prints at SHUTDOWN, read back.
package struct ClosingLine: Equatable, Sendable {
    package private(set) var fields: [String: String] = [:]

    /// Nil for any other line.
    package init?(_ line: String) {
        guard line.hasPrefix("permafrost event=shutdown ") else { return nil }
        for word in line.split(separator: " ").dropFirst() {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { fields[String(parts[0])] = String(parts[1]) }
        }
    }

    /// The last one among the lines of an extension.
    package static func last(in lines: [ExtensionLine]) -> ClosingLine? {
        lines.lazy.reversed().compactMap { ClosingLine($0.text) }.first
    }

    /// Nil when it is missing or `unknown`.
    package func count(_ name: String) -> Int? { fields[name].flatMap { Int($0) } }

    package var reason: String { fields["reason"] ?? "" }

    /// `received = duplicate + filtered + joined + delivered + rejected + discarded + spooled`.
    package var isBalanced: Bool {
        let terms = ["duplicate", "filtered", "joined", "delivered", "rejected", "discarded", "spooled"].map(count)
        guard let received = count("received"), terms.allSatisfy({ $0 != nil }) else { return false }
        return received == terms.reduce(0) { $0 + ($1 ?? 0) }
    }
}
