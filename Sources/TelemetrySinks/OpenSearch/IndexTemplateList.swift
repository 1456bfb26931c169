import JSON

/// The cluster's index templates, as far as they matter to a name.
struct IndexTemplateList {
    struct Template: Equatable {
        var name: String
        var patterns: [String]
    }

    let templates: [Template]

    /// Nil when the body is not the answer to `GET /_index_template`.
    init?(body: [UInt8]) {
        guard let templates = try? JSONReader.read(body, Self.read) else { return nil }
        self.templates = templates
    }

    /// Whether a template other than a catch-all matches: the one named `own`, or somebody's for such names.
    func covers(_ index: String, own: String) -> Bool {
        templates.contains { template in
            template.name == own
                || template.patterns.contains { !$0.allSatisfy { $0 == "*" } && Self.matches(index, pattern: $0) }
        }
    }

    /// `*` stands for any text, also none; there is no other wildcard.
    static func matches(_ name: String, pattern: String) -> Bool {
        let parts = pattern.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map(Array.init)
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return name == pattern }
        var rest = Array(name.utf8)[...]
        guard rest.starts(with: first), rest.count >= first.count + last.count else { return false }
        rest = rest.dropFirst(first.count)
        guard rest.suffix(last.count).elementsEqual(last) else { return false }
        rest = rest.dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard rest.count >= part.count,
                let at = (rest.startIndex...(rest.endIndex - part.count)).first(where: {
                    rest[$0..<($0 + part.count)].elementsEqual(part)
                })
            else { return false }
            rest = rest[(at + part.count)...]
        }
        return true
    }

    private static func read(_ reader: inout JSONReader) throws(JSONError) -> [Template] {
        var templates: [Template] = []
        try reader.beginObject()
        while let key = try reader.nextKey() {
            guard key == "index_templates", try reader.peek() == .array else {
                try reader.skip()
                continue
            }
            try reader.beginArray()
            while try reader.nextElement() { templates.append(try template(&reader)) }
        }
        return templates
    }

    private static func template(_ reader: inout JSONReader) throws(JSONError) -> Template {
        var template = Template(name: "", patterns: [])
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch (key, try reader.peek()) {
            case ("name", .string): template.name = try reader.string()
            case ("index_template", .object):
                try reader.beginObject()
                while let inner = try reader.nextKey() {
                    guard inner == "index_patterns" else {
                        try reader.skip()
                        continue
                    }
                    guard try reader.peek() == .array else {
                        if let pattern = try reader.optionalString() { template.patterns.append(pattern) }
                        continue
                    }
                    try reader.beginArray()
                    while try reader.nextElement() {
                        if let pattern = try reader.optionalString() { template.patterns.append(pattern) }
                    }
                }
            default: try reader.skip()
            }
        }
        return template
    }
}
