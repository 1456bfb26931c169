/// A composable index template.
package struct IndexTemplate: Sendable {
    package var name: String
    package var patterns: [String]
    package var priority: Int
    package var isDataStream: Bool
    package var body: JSONValue

    private static let knownKeys: Set<String> = [
        "index_patterns", "template", "composed_of", "priority", "version", "_meta", "data_stream",
    ]

    init(name: String, body: [UInt8]) throws(OpenSearchFailure) {
        let json: JSONValue
        do {
            json = try StrictJSON.parse(body)
        } catch {
            throw OpenSearchFailure(400, error.type, error.reason)
        }
        if let unknown = json.members?.first(where: { !Self.knownKeys.contains($0.name) }) {
            throw OpenSearchFailure(
                400, "x_content_parse_exception", "[1:2] [index_template] unknown field [\(unknown.name)]")
        }
        self.name = name
        switch json["index_patterns"] {
        case .string(let pattern): patterns = [pattern]
        case .array(let values): patterns = values.compactMap(\.text)
        default: patterns = []
        }
        guard !patterns.isEmpty else {
            throw OpenSearchFailure(
                400, "x_content_parse_exception",
                "Failed to build [index_template] after last required field arrived")
        }
        priority = json["priority"]?.int ?? 0
        isDataStream = json["data_stream"] != nil
        self.body = json
    }

    func matches(_ index: String) -> Bool { patterns.contains { FilterPath.matches($0, index) } }

    /// Dotted names that begin with `index.`, values as text.
    static func flatSettings(_ settings: JSONValue?) -> [String: String] {
        var result: [String: String] = [:]
        func walk(_ value: JSONValue, _ path: String) {
            switch value {
            case .object(let members):
                for member in members { walk(member.value, path.isEmpty ? member.name : "\(path).\(member.name)") }
            case .string(let text), .number(let text): result[path] = text
            case .bool(let value): result[path] = value ? "true" : "false"
            case .null: result[path] = "null"
            case .array: break
            }
        }
        if let settings { walk(settings, "") }
        return Dictionary(result.map { ($0.key.hasPrefix("index.") ? $0.key : "index." + $0.key, $0.value) }) { $1 }
    }
}

/// Rules for index names.
enum IndexName {
    static func problem(_ name: String) -> OpenSearchFailure? {
        func invalid(_ why: String) -> OpenSearchFailure {
            .init(400, "invalid_index_name_exception", "Invalid index name [\(name)], \(why)")
        }
        if name.isEmpty || name == "." || name == ".." { return invalid("must not be '.' or '..'") }
        if name.contains(where: { "\\/*?\"<>| ,".contains($0) }) {
            return invalid("must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?]")
        }
        if name.contains("#") { return invalid("must not contain '#'") }
        if name.contains(":") { return invalid("must not contain ':'") }
        if let first = name.first, "_-+".contains(first) { return invalid("must not start with '_', '-', or '+'") }
        if name.utf8.count > 255 { return invalid("index name is too long, (\(name.utf8.count) > 255)") }
        if name.lowercased() != name { return invalid("must be lowercase") }
        return nil
    }
}
