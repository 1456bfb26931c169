/// What an index knows of its fields, and what it does with a document that does not fit: the part of the mapper that
/// decides whether telemetry is taken.
package struct IndexMapping: Sendable {
    enum Dynamic: String, Sendable {
        case yes = "true"
        case no = "false"
        case strict
    }

    enum Field: Equatable, Sendable {
        case object(Dynamic?)
        /// `"enabled": false`: anything goes.
        case disabled
        case flatObject
        case scalar(String)
    }

    private(set) var fields: [String: Field] = [:]
    private var dynamic = Dynamic.yes
    private var fieldCount = 0
    private let ignoresMalformed: Bool
    private let fieldLimit: Int
    private let depthLimit: Int
    private let requiresTimestamp: Bool

    /// `settings` flattened to dotted names that begin with `index.`.
    init(settings: [String: String] = [:], mappings: JSONValue? = nil, requiresTimestamp: Bool = false) {
        ignoresMalformed = settings["index.mapping.ignore_malformed"] == "true"
        fieldLimit = settings["index.mapping.total_fields.limit"].flatMap { Int($0) } ?? 1000
        depthLimit = settings["index.mapping.depth.limit"].flatMap { Int($0) } ?? 20
        self.requiresTimestamp = requiresTimestamp
        if requiresTimestamp { fields["@timestamp"] = .scalar("date") }
        if let mappings {
            dynamic = Self.dynamic(mappings) ?? .yes
            declare(mappings["properties"], under: "")
        }
    }

    private static func dynamic(_ mapping: JSONValue) -> Dynamic? {
        switch mapping["dynamic"] {
        case .bool(let value): value ? .yes : .no
        case .string(let text): Dynamic(rawValue: text)
        default: nil
        }
    }

    private mutating func declare(_ properties: JSONValue?, under prefix: String) {
        for member in properties?.members ?? [] {
            let path = prefix + member.name
            let type = member.value["type"]?.text
            if member.value["enabled"] == .bool(false) {
                fields[path] = .disabled
            } else if type == "flat_object" {
                fields[path] = .flatObject
            } else if let type, type != "object", type != "nested" {
                fields[path] = .scalar(type)
                fieldCount += member.value["fields"]?.members?.count ?? 0
            } else {
                fields[path] = .object(Self.dynamic(member.value))
                declare(member.value["properties"], under: path + ".")
            }
            fieldCount += 1
        }
    }

    /// Checks `document` and learns its fields; learns nothing from one that is refused.
    mutating func admit(_ document: JSONValue, id: String) throws(OpenSearchFailure) {
        if requiresTimestamp { try checkTimestamp(document) }
        var reading = Reading(mapping: self, id: id)
        try reading.object(document, path: "", depth: 0, dynamic: dynamic)
        guard !reading.learnt.isEmpty else { return }
        guard fieldCount + reading.newFields <= fieldLimit else {
            throw .illegalArgument("Limit of total fields [\(fieldLimit)] has been exceeded")
        }
        fieldCount += reading.newFields
        fields.merge(reading.learnt) { $1 }
    }

    private func checkTimestamp(_ document: JSONValue) throws(OpenSearchFailure) {
        switch document["@timestamp"] {
        case .string, .number: return
        case .array(let values) where values.count == 1: return
        default:
            throw .mapperParsing(
                "failed to parse",
                cause: (
                    "illegal_argument_exception",
                    "documents must contain a single-valued timestamp field '@timestamp' of date type"
                ))
        }
    }

    private struct Reading {
        let mapping: IndexMapping
        let id: String
        var learnt: [String: Field] = [:]
        var newFields = 0

        init(mapping: IndexMapping, id: String) {
            self.mapping = mapping
            self.id = id
        }

        private func known(_ path: String) -> Field? { learnt[path] ?? mapping.fields[path] }

        private mutating func learn(_ path: String, _ field: Field, weight: Int) {
            learnt[path] = field
            newFields += weight
        }

        mutating func object(
            _ value: JSONValue, path: String, depth: Int, dynamic: Dynamic
        ) throws(OpenSearchFailure) {
            guard depth <= mapping.depthLimit else { throw tooDeep("field") }
            for member in value.members ?? [] {
                try self.member(member, under: path, depth: depth, dynamic: dynamic)
            }
        }

        private func tooDeep(_ what: String) -> OpenSearchFailure {
            .mapperParsing(
                "failed to parse",
                cause: (
                    "parse_exception",
                    "The depth of the \(what) has exceeded the allowed limit of [\(mapping.depthLimit)]. "
                        + "This limit can be set by changing the [index.mapping.depth.limit] index level setting."
                ))
        }

        /// A dot in a name opens an object, so a name may be a path.
        private mutating func member(
            _ member: JSONValue.Member, under prefix: String, depth: Int, dynamic: Dynamic
        ) throws(OpenSearchFailure) {
            if prefix.isEmpty, ["_id", "_source", "_index", "_type", "_routing"].contains(member.name) {
                let reason =
                    "Field [\(member.name)] is a metadata field and cannot be added inside a document. "
                    + "Use the index API request parameters."
                throw .mapperParsing(
                    "failed to parse field [\(member.name)] of type [\(member.name)] in document with id '\(id)'",
                    cause: ("mapper_parsing_exception", reason))
            }
            var parts = member.name.split(separator: ".", omittingEmptySubsequences: false)
            if parts.count > 1, parts.last?.isEmpty == true { parts.removeLast() }
            guard !parts.isEmpty, parts.allSatisfy({ !$0.isEmpty && $0.contains { $0 != " " } }) else {
                throw .mapperParsing(
                    "failed to parse",
                    cause: ("illegal_argument_exception", "field name cannot be an empty string"))
            }
            var path = prefix
            var dynamic = dynamic
            for part in parts.dropLast() {
                path += part
                switch known(path) {
                case .object(let own): dynamic = own ?? dynamic
                case .disabled, .flatObject: return
                case .scalar(let type):
                    throw .mapperParsing(
                        "Could not dynamically add mapping for field [\(member.name)]. Existing mapping for "
                            + "[\(path)] must be of type object but found [\(type)].")
                case nil:
                    guard try mayLearn(path, dynamic) else { return }
                    learn(path, .object(nil), weight: 1)
                }
                path += "."
            }
            path += parts.last ?? ""
            try self.value(member.value, path: path, depth: depth, dynamic: dynamic, arrays: 0)
        }

        private func mayLearn(_ path: String, _ dynamic: Dynamic) throws(OpenSearchFailure) -> Bool {
            switch dynamic {
            case .yes: return true
            case .no: return false
            case .strict:
                let name = path.split(separator: ".").last.map(String.init) ?? path
                throw OpenSearchFailure(
                    400, "strict_dynamic_mapping_exception",
                    "mapping set to strict, dynamic introduction of [\(name)] within [_doc] is not allowed")
            }
        }

        private mutating func value(
            _ value: JSONValue, path: String, depth: Int, dynamic: Dynamic, arrays: Int
        ) throws(OpenSearchFailure) {
            if case .array(let values) = value {
                guard arrays < mapping.depthLimit else { throw tooDeep("nested array field") }
                for element in values {
                    try self.value(element, path: path, depth: depth, dynamic: dynamic, arrays: arrays + 1)
                }
                return
            }
            switch known(path) {
            case .object(let own):
                switch value {
                case .object: try object(value, path: path + ".", depth: depth + 1, dynamic: own ?? dynamic)
                case .null: return
                default:
                    throw .mapperParsing(
                        "object mapping for [\(path)] tried to parse field "
                            + "[\(path.split(separator: ".").last ?? "")] as object, but found a concrete value")
                }
            case .disabled: return
            case .flatObject:
                switch value {
                case .object, .null: return
                default: throw .mapperParsing("failed to parse field [\(path)] of type [flat_object]")
                }
            case .scalar(let type): try scalar(value, type: type, path: path)
            case nil: try unknown(value, path: path, depth: depth, dynamic: dynamic)
            }
        }

        private mutating func unknown(
            _ value: JSONValue, path: String, depth: Int, dynamic: Dynamic
        ) throws(OpenSearchFailure) {
            if value == .null { return }
            guard try mayLearn(path, dynamic) else { return }
            switch value {
            case .object:
                learn(path, .object(nil), weight: 1)
                try object(value, path: path + ".", depth: depth + 1, dynamic: dynamic)
            case .string(let text):
                let isDate = Double(text) == nil && DateText.isStrictDate(text)
                learn(path, .scalar(isDate ? "date" : "text"), weight: isDate ? 1 : 2)
            case .number(let text):
                let isWhole = !text.contains { ".eE".contains($0) }
                if isWhole, Int64(text) == nil {
                    // Nothing is learnt of a value that is skipped.
                    if mapping.ignoresMalformed { return }
                    throw outOfRange(text)
                }
                learn(path, .scalar(isWhole ? "long" : "float"), weight: 1)
                try scalar(value, type: isWhole ? "long" : "float", path: path)
            case .bool: learn(path, .scalar("boolean"), weight: 1)
            case .null, .array: return
            }
        }

        private func outOfRange(_ text: String) -> OpenSearchFailure {
            .mapperParsing(
                "failed to parse",
                cause: ("input_coercion_exception", "Numeric value (\(text)) out of range of long"))
        }

        private func scalarGotObject(_ path: String, _ type: String, _ value: JSONValue) -> OpenSearchFailure {
            .mapperParsing(
                "failed to parse field [\(path)] of type [\(type)] in document with id '\(id)'. "
                    + "Preview of field's value: '\(value.description)'",
                cause: ScalarField.objectCause(type: type))
        }

        private func scalar(_ value: JSONValue, type: String, path: String) throws(OpenSearchFailure) {
            if case .object = value {
                if mapping.ignoresMalformed { return }
                throw scalarGotObject(path, type, value)
            }
            guard !ScalarField.accepts(value, type: type) else { return }
            if mapping.ignoresMalformed, type != "keyword", type != "text" { return }
            throw .mapperParsing(
                "failed to parse field [\(path)] of type [\(type)] in document with id '\(id)'. "
                    + "Preview of field's value: '\(value.text ?? value.description)'",
                cause: ScalarField.cause(value, type: type))
        }
    }
}

/// What a field that is no object takes.
enum ScalarField {
    static func accepts(_ value: JSONValue, type: String) -> Bool {
        switch (type, value) {
        case (_, .null): true
        case ("long", .number(let text)), ("integer", .number(let text)), ("short", .number(let text)):
            isWhole(text, type: type)
        case ("long", .string(let text)), ("integer", .string(let text)), ("short", .string(let text)):
            text.isEmpty || isWhole(text, type: type)
        case ("float", .number(let text)), ("half_float", .number(let text)): Float(text)?.isFinite ?? false
        case ("double", .number(let text)), ("scaled_float", .number(let text)): Double(text)?.isFinite ?? false
        case ("float", .string(let text)), ("double", .string(let text)):
            text.isEmpty || Double(text)?.isFinite ?? false
        case ("long", .bool), ("integer", .bool), ("short", .bool), ("float", .bool), ("double", .bool),
            ("date", .bool):
            false
        case ("boolean", .bool): true
        case ("boolean", .string(let text)): ["", "true", "false"].contains(text)
        case ("boolean", _): false
        case ("date", .string(let text)): DateText.isAccepted(text)
        default: true
        }
    }

    static func objectCause(type: String) -> (type: String, reason: String) {
        switch type {
        case "text", "keyword", "date": ("illegal_state_exception", "Can't get text on a START_OBJECT")
        default: ("json_parse_exception", "Current token (START_OBJECT) not of a kind that \(type) takes")
        }
    }

    /// What the parser of a field's type complains of.
    static func cause(_ value: JSONValue, type: String) -> (type: String, reason: String) {
        let text = value.text ?? value.description
        switch (type, value) {
        case ("long", .bool), ("integer", .bool), ("short", .bool), ("float", .bool), ("double", .bool):
            return ("json_parse_exception", "Current token (VALUE_\(text.uppercased())) not numeric")
        case ("boolean", .number):
            return ("json_parse_exception", "Current token (VALUE_NUMBER_INT) not of boolean type")
        case ("long", .number): return ("input_coercion_exception", "Numeric value (\(text)) out of range of long")
        case ("float", .string), ("double", .string):
            return ("number_format_exception", "For input string: \"\(text)\"")
        default: return ("illegal_argument_exception", "For input string: \"\(text)\"")
        }
    }

    private static func isWhole(_ text: String, type: String) -> Bool {
        let limit: Double = type == "long" ? 9.3e18 : type == "integer" ? 2_147_483_647 : 32_767
        if type == "long", !text.contains(where: { ".eE".contains($0) }) { return Int64(text) != nil }
        guard let value = Double(text) else { return false }
        return abs(value) <= limit
    }
}
