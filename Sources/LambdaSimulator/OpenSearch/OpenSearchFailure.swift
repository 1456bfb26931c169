/// A refusal with the words of a real node.
package struct OpenSearchFailure: Error, Equatable, Sendable {
    package var status: Int
    package var type: String
    package var reason: String
    package var causeType: String?
    package var causeReason: String?

    package init(
        _ status: Int, _ type: String, _ reason: String, cause: (type: String, reason: String)? = nil
    ) {
        self.status = status
        self.type = type
        self.reason = reason
        self.causeType = cause?.type
        self.causeReason = cause?.reason
    }

    /// `{"type":…,"reason":…}`, as inside an item.
    package var detail: JSONValue {
        var members: [JSONValue.Member] = [.init("type", .string(type)), .init("reason", .string(reason))]
        if let causeType {
            members.append(
                .init("caused_by", ["type": .string(causeType), "reason": .string(causeReason ?? "")]))
        }
        return .object(members)
    }

    /// The answer to a whole request.
    package var answer: ServiceAnswer {
        guard case .object(let members) = detail else { return ServiceAnswer(status) }
        let error = JSONValue.object([.init("root_cause", .array([detail]))] + members)
        return ServiceAnswer(status, json: ["error": error, "status": .integer(status)])
    }

    static func illegalArgument(_ reason: String) -> OpenSearchFailure {
        .init(400, "illegal_argument_exception", reason)
    }

    static func noSuchIndex(_ name: String) -> OpenSearchFailure {
        .init(404, "index_not_found_exception", "no such index [\(name)]")
    }

    static func mapperParsing(_ reason: String, cause: (type: String, reason: String)? = nil) -> OpenSearchFailure {
        .init(400, "mapper_parsing_exception", reason, cause: cause)
    }
}
