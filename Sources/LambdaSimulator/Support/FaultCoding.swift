/// Faults as JSON, for `PUT /_simulator/faults`:
/// `[{"fault":"status","status":503,"headers":{"Retry-After":"1"},"body":"","count":3},{"fault":"delay","ms":250}]`.
///
/// Names: `status`, `item` (`status`, `type`, `reason`), `delay` (`ms`), `hang`, `half-answer-then-hang`,
/// `half-answer-then-close`, `close`, `lost-answer`, `fewer-items` (`items`), `stall` (`ms`). On each: `path`, `method`,
/// `index`, `after`, `every`, `count`.
extension Fault {
    /// Nil when the object names no fault of ours.
    package init?(json: JSONValue) {
        let milliseconds = Duration.milliseconds(json["ms"]?.int ?? 0)
        let kind: FaultKind
        switch json["fault"]?.text {
        case "status":
            let headers = (json["headers"]?.members ?? []).map { ($0.name, $0.value.text ?? $0.value.description) }
            kind = .status(
                json["status"]?.int ?? 503, headers: Dictionary(headers) { $1 }, body: json["body"]?.text ?? "",
                contentType: json["contentType"]?.text)
        case "item":
            kind = .item(
                status: json["status"]?.int ?? 429, type: json["type"]?.text ?? "rejected_execution_exception",
                reason: json["reason"]?.text ?? "simulated")
        case "delay": kind = .delay(milliseconds)
        case "hang": kind = .hang
        case "half-answer-then-hang": kind = .halfAnswerThenHang
        case "half-answer-then-close": kind = .halfAnswerThenClose
        case "close": kind = .closeWithoutAnswer
        case "lost-answer": kind = .lostAnswer
        case "fewer-items": kind = .fewerItems(json["items"]?.int ?? 1)
        case "stall": kind = .stall(milliseconds)
        default: return nil
        }
        self.init(
            kind, path: json["path"]?.text, method: json["method"]?.text, index: json["index"]?.text,
            after: json["after"]?.int ?? 0, every: json["every"]?.int ?? 1, count: json["count"]?.int)
    }

    package var json: JSONValue {
        var members: [JSONValue.Member] = []
        func add(_ name: String, _ value: JSONValue?) {
            if let value { members.append(.init(name, value)) }
        }
        switch kind {
        case .status(let status, let headers, let body, let contentType):
            add("fault", "status")
            add("status", .integer(status))
            add("headers", .object(headers.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }))
            add("body", .string(body))
            add("contentType", contentType.map { .string($0) })
        case .item(let status, let type, let reason):
            add("fault", "item")
            add("status", .integer(status))
            add("type", .string(type))
            add("reason", .string(reason))
        case .delay(let time):
            add("fault", "delay")
            add("ms", .integer(Int(time.milliseconds)))
        case .hang: add("fault", "hang")
        case .halfAnswerThenHang: add("fault", "half-answer-then-hang")
        case .halfAnswerThenClose: add("fault", "half-answer-then-close")
        case .closeWithoutAnswer: add("fault", "close")
        case .lostAnswer: add("fault", "lost-answer")
        case .fewerItems(let items):
            add("fault", "fewer-items")
            add("items", .integer(items))
        case .stall(let time):
            add("fault", "stall")
            add("ms", .integer(Int(time.milliseconds)))
        }
        add("path", path.map { .string($0) })
        add("method", method.map { .string($0) })
        add("index", index.map { .string($0) })
        if after > 0 { add("after", .integer(after)) }
        if every > 1 { add("every", .integer(every)) }
        add("count", count.map { .integer($0) })
        return .object(members)
    }
}
