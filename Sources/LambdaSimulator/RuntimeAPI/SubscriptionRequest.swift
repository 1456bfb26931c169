/// A valid `PUT /2022-07-01/telemetry`.
package struct SubscriptionRequest: Equatable, Sendable {
    package var schemaVersion: String
    package var types: [String]
    package var maxItems: Int
    package var maxBytes: Int
    package var timeoutMs: Int
    package var port: UInt16
    /// Path of the destination, `/` when it has none.
    package var path: String

    static let schemas = ["2022-07-01", "2022-12-13", "2025-01-29"]

    /// All problems together, as the service's 400 lists them.
    struct Problems: Error, Equatable {
        var messages: [String]

        var body: [UInt8] {
            let text = messages.joined(separator: "; ")
            return (["errorType": "ValidationError", "errorMessage": .string(text)] as JSONValue).encoded
        }
    }

    static func parse(_ body: [UInt8], newestSchema: String = "2025-01-29", onlyNewest: Bool = false) throws(Problems)
        -> SubscriptionRequest
    {
        guard let json = try? StrictJSON.parse(body), case .object = json else {
            throw Problems(messages: ["the body is not a JSON object"])
        }
        var problems: [String] = []
        let schema = json["schemaVersion"]?.text ?? ""
        let known = onlyNewest ? ["2025-01-29"] : schemas.filter { $0 <= newestSchema }
        if !known.contains(schema) {
            problems.append("schemaVersion: must be one of [\(known.joined(separator: ", "))]")
        }
        let types = json["types"]?.elements?.compactMap(\.text) ?? []
        if types.isEmpty || types.count != json["types"]?.elements?.count
            || types.contains(where: { !["platform", "function", "extension"].contains($0) })
        {
            problems.append("types: one or more of [platform, function, extension] are required")
        }
        func bounded(_ name: String, _ range: ClosedRange<Int>, _ standard: Int) -> Int {
            guard let value = json["buffering"]?[name] else { return standard }
            guard let number = value.int, range.contains(number) else {
                problems.append("buffering.\(name): must be between \(range.lowerBound) and \(range.upperBound)")
                return standard
            }
            return number
        }
        let maxItems = bounded("maxItems", 1_000...10_000, 10_000)
        let maxBytes = bounded("maxBytes", 262_144...1_048_576, 262_144)
        let timeoutMs = bounded("timeoutMs", 25...30_000, 1_000)
        let destination = destination(json["destination"], &problems)
        guard problems.isEmpty, let destination else { throw Problems(messages: problems) }
        return SubscriptionRequest(
            schemaVersion: schema, types: types, maxItems: maxItems, maxBytes: maxBytes, timeoutMs: timeoutMs,
            port: destination.port, path: destination.path)
    }

    private static func destination(
        _ value: JSONValue?, _ problems: inout [String]
    ) -> (port: UInt16, path: String)? {
        guard value?["protocol"]?.text == "HTTP" else {
            problems.append("destination.protocol: only HTTP is simulated")
            return nil
        }
        let uri = value?["URI"]?.text ?? ""
        for host in ["http://sandbox.localdomain:", "http://sandbox:"] where uri.hasPrefix(host) {
            let rest = uri.dropFirst(host.count)
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            let path = rest.dropFirst(digits.count)
            guard let port = UInt16(digits), port > 0, path.isEmpty || path.hasPrefix("/") else { break }
            if port == 9001 {
                problems.append("destination.URI: port 9001 is reserved")
                return nil
            }
            return (port, path.isEmpty ? "/" : String(path))
        }
        problems.append("destination.URI: must be http://sandbox.localdomain:PORT[/path]")
        return nil
    }
}
