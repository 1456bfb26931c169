/// The operation of an action line.
package enum BulkOperation: String, Sendable {
    case create, index, update, delete
}

/// One action with its source line.
package struct BulkAction: Sendable {
    package var operation: BulkOperation
    package var index: String
    /// Nil: the node makes one.
    package var id: String?
    package var requiresAlias: Bool
    package var pipeline: String?
    /// Where the source lies in the body; empty for `delete`.
    package var source: Range<Int>
}

/// Reads the framing of a bulk body as OpenSearch 2.19's `BulkRequestParser` does.
package enum BulkParser {
    private static let knownParameters: Set<String> = [
        "_index", "_id", "routing", "_routing", "op_type", "version", "_version", "version_type", "_version_type",
        "retry_on_conflict", "_retry_on_conflict", "pipeline", "_source", "if_seq_no", "if_primary_term",
        "require_alias",
    ]

    package static func parse(
        _ body: UnsafeRawBufferPointer, defaultIndex: String?, defaultPipeline: String? = nil
    ) throws(OpenSearchFailure) -> [BulkAction] {
        guard body.count > 0 else { throw OpenSearchFailure(400, "parse_exception", "request body is required") }
        var actions: [BulkAction] = []
        var missingIndex: [Int] = []
        var lines = Lines(body: body)
        while let line = try lines.next() {
            guard !line.isEmpty else { continue }
            guard var action = try action(body[line], number: lines.number) else { continue }
            if action.index.isEmpty {
                action.index = defaultIndex ?? ""
                if action.index.isEmpty { missingIndex.append(actions.count) }
            }
            if action.pipeline == nil { action.pipeline = defaultPipeline }
            if action.operation != .delete {
                // A source line that is missing altogether makes the action vanish without a word.
                guard let source = try lines.next() else { break }
                action.source = source
            }
            actions.append(action)
        }
        try validate(actions)
        return actions
    }

    private struct Lines {
        let body: UnsafeRawBufferPointer
        var start = 0
        var number = 0

        init(body: UnsafeRawBufferPointer) {
            self.body = body
        }

        /// The next line without its end, nil behind the last.
        mutating func next() throws(OpenSearchFailure) -> Range<Int>? {
            guard start < body.count else { return nil }
            guard let end = body[start...].firstIndex(of: 0x0A) else {
                throw .illegalArgument("The bulk request must be terminated by a newline [\\n]")
            }
            defer { start = end + 1 }
            number += 1
            let isCarriageReturned = end > start && body[end - 1] == 0x0D
            return start..<(isCarriageReturned ? end - 1 : end)
        }
    }

    private static func action(
        _ line: Slice<UnsafeRawBufferPointer>, number: Int
    ) throws(OpenSearchFailure) -> BulkAction? {
        let parsed: JSONValue
        switch StrictJSON.parseBuffer(UnsafeRawBufferPointer(rebasing: line)) {
        case .success(let value): parsed = value
        case .failure(let error):
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { return nil }
            throw OpenSearchFailure(400, error.type, error.reason)
        }
        guard case .object(let members) = parsed else {
            throw .illegalArgument(
                "Malformed action/metadata line [\(number)], expected START_OBJECT but found [\(token(parsed))]")
        }
        guard let first = members.first else {
            throw .illegalArgument(
                "Malformed action/metadata line [\(number)], expected FIELD_NAME but found [END_OBJECT]")
        }
        guard let operation = BulkOperation(rawValue: first.name) else {
            throw .illegalArgument(
                "Malformed action/metadata line [\(number)], expected one of [create, delete, index, update] "
                    + "but found [\(first.name)]")
        }
        guard case .object(let parameters) = first.value else {
            throw .illegalArgument(
                "Malformed action/metadata line [\(number)], expected START_OBJECT or END_OBJECT but found "
                    + "[\(token(first.value))]")
        }
        guard members.count == 1 else {
            throw .illegalArgument(
                "Malformed action/metadata line [\(number)], expected END_OBJECT but found [FIELD_NAME]")
        }
        var action = BulkAction(
            operation: operation, index: "", id: nil, requiresAlias: false, pipeline: nil, source: 0..<0)
        for parameter in parameters {
            guard knownParameters.contains(parameter.name) else {
                throw .illegalArgument(
                    "Action/metadata line [\(number)] contains an unknown parameter [\(parameter.name)]")
            }
            try apply(parameter, to: &action, number: number)
        }
        return action
    }

    private static func apply(
        _ parameter: JSONValue.Member, to action: inout BulkAction, number: Int
    ) throws(OpenSearchFailure) {
        let text: String?
        switch parameter.value {
        case .string(let value), .number(let value): text = value
        case .bool(let value): text = String(value)
        case .null: text = nil
        case .object, .array:
            throw .illegalArgument(
                "Malformed action/metadata line [\(number)], expected a simple value for field "
                    + "[\(parameter.name)] but found [\(token(parameter.value))]")
        }
        switch parameter.name {
        case "_index": action.index = text ?? ""
        case "_id": action.id = text
        case "require_alias": action.requiresAlias = text == "true"
        case "pipeline": action.pipeline = text
        case "op_type" where action.operation == .index && text == "create": action.operation = .create
        default: break
        }
    }

    private static func token(_ value: JSONValue) -> String {
        switch value {
        case .object: "START_OBJECT"
        case .array: "START_ARRAY"
        case .string: "VALUE_STRING"
        case .number: "VALUE_NUMBER"
        case .bool: "VALUE_BOOLEAN"
        case .null: "VALUE_NULL"
        }
    }

    /// What `BulkRequest.validate` collects: each problem is one numbered clause, and any of them fails the request.
    private static func validate(_ actions: [BulkAction]) throws(OpenSearchFailure) {
        var problems: [String] = []
        if actions.isEmpty { problems.append("no requests added") }
        for action in actions {
            if action.index.isEmpty { problems.append("index is missing") }
            if let id = action.id, id.utf8.count > 512 {
                problems.append(
                    "id [\(id)] is too long, must be no longer than 512 bytes but was: \(id.utf8.count)")
            }
            if action.operation == .update || action.operation == .delete, action.id == nil {
                problems.append("id is missing")
            }
        }
        guard !problems.isEmpty else { return }
        let text = problems.enumerated().map { "\($0.offset + 1): \($0.element);" }.joined()
        throw OpenSearchFailure(400, "action_request_validation_exception", "Validation Failed: \(text)")
    }
}
