import Foundation

/// `filter_path`: a comma list of dotted paths. `*` stands for any part of one name, `**` for any depth, a leading `-`
/// takes away. Arrays are passed through.
package struct FilterPath: Sendable {
    private var includes: [[String]] = []
    private var excludes: [[String]] = []

    /// Nil for an empty list: nothing is filtered then.
    package init?(_ text: String) {
        for path in text.split(separator: ",") where !path.isEmpty {
            if path.hasPrefix("-") {
                excludes.append(path.dropFirst().split(separator: ".").map(String.init))
            } else {
                includes.append(path.split(separator: ".").map(String.init))
            }
        }
        if includes.isEmpty, excludes.isEmpty { return nil }
    }

    package func apply(to value: JSONValue) -> JSONValue {
        var result: JSONValue? = value
        if !excludes.isEmpty { result = Self.without(value, excludes.map { $0[...] }) }
        if !includes.isEmpty, let kept = result { result = Self.only(kept, includes.map { $0[...] }) }
        return result ?? .object([])
    }

    private static func only(_ value: JSONValue, _ paths: [ArraySlice<String>]) -> JSONValue? {
        switch value {
        case .object(let members):
            let kept = members.compactMap { member -> JSONValue.Member? in
                let next = advance(paths, over: member.name)
                if next.contains(where: { $0.isEmpty || Array($0) == ["**"] }) { return member }
                guard !next.isEmpty, let inner = only(member.value, next) else { return nil }
                return .init(member.name, inner)
            }
            return kept.isEmpty ? nil : .object(kept)
        case .array(let values):
            let kept = values.compactMap { only($0, paths) }
            return kept.isEmpty ? nil : .array(kept)
        default: return nil
        }
    }

    private static func without(_ value: JSONValue, _ paths: [ArraySlice<String>]) -> JSONValue? {
        switch value {
        case .object(let members):
            let kept = members.compactMap { member -> JSONValue.Member? in
                let next = advance(paths, over: member.name)
                if next.contains(where: \.isEmpty) { return nil }
                guard !next.isEmpty else { return member }
                return without(member.value, next).map { .init(member.name, $0) }
            }
            return kept.isEmpty && !members.isEmpty ? nil : .object(kept)
        case .array(let values): return .array(values.compactMap { without($0, paths) })
        default: return value
        }
    }

    /// What is left of each path that `name` goes along.
    private static func advance(_ paths: [ArraySlice<String>], over name: String) -> [ArraySlice<String>] {
        paths.flatMap { path -> [ArraySlice<String>] in
            guard let first = path.first else { return [] }
            if first == "**" {
                let rest = path.dropFirst()
                return [path] + (rest.isEmpty ? [] : advance([rest], over: name))
            }
            return matches(first, name) ? [path.dropFirst()] : []
        }
    }

    /// `*` in a pattern stands for any characters.
    package static func matches(_ pattern: String, _ name: String) -> Bool {
        guard pattern.contains("*") else { return pattern == name }
        if pattern == "*" { return true }
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false).map(String.init)
        guard let first = parts.first, let last = parts.last, name.hasPrefix(first) else { return false }
        var rest = name.dropFirst(first.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let found = rest.range(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return rest.count >= last.count && rest.hasSuffix(last)
    }
}
