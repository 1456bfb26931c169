import LambdaSimulator
import TelemetryModel

/// For a body that is JSON: its events are those that other parsers find, and nothing of them is lost or changed.
enum EventCheck {
    private static let reserved: Set = ["time", "type", "record", "faas", "cloud", "@timestamp", "record_text"]

    static func check(_ body: [UInt8], _ batch: EncodedBatch, _ pairs: [BatchCheck.Pair]) throws {
        guard Oracle.isStrict(body) else { return }
        if Oracle.isCompetent(body), let count = Oracle.elements(of: body) {
            try expectEqual(batch.ledger.total(.received), count, "events that Foundation finds")
        }
        // Without repeated names, of which ours and others may take different ones.
        guard let events = (try? StrictJSON.parse(body))?.elements else { return }
        try expectEqual(batch.ledger.total(.received), events.count, "events")
        try expectEqual(pairs.count + batch.ledger.total(.filtered), events.count, "documents")
        var rest = pairs[...]
        for event in events {
            if let pair = rest.first, try matches(event, try StrictJSON.parse(pair.document)) {
                rest = rest.dropFirst()
            } else {
                try expect(mayBeOwnLine(event), "no document for \(event.description)")
            }
        }
        try expect(rest.isEmpty, "documents without an event")
    }

    private static func mayBeOwnLine(_ event: JSONValue) -> Bool {
        let text = event["record"]?.text ?? event["record", "message"]?.text ?? ""
        return event["type"]?.text == "extension" && text.hasPrefix("permafrost ")
    }

    private static func matches(_ event: JSONValue, _ document: JSONValue) throws -> Bool {
        guard let members = event.members else { return isText(of: event, document["record", "message"]) }
        guard isMember(event["time"], document["time"]), isMember(event["type"] ?? "unknown", document["type"]) else {
            return false
        }
        switch event["record"] {
        case nil: guard document["record"] == .object([]) else { return false }
        case .object(let fields): guard document["record"] == .object(fields) else { return false }
        case .string(let text): guard document["record"] == ["message": .string(text)] else { return false }
        case .some(let value): guard isText(of: value, document["record", "message"]) else { return false }
        }
        return members.allSatisfy { reserved.contains($0.name) || document[$0.name] == $0.value }
    }

    /// A string stays one, anything else becomes its text.
    private static func isMember(_ value: JSONValue?, _ written: JSONValue?) -> Bool {
        guard let value else { return written == nil }
        return value.text != nil ? written == value : isText(of: value, written)
    }

    private static func isText(of value: JSONValue, _ written: JSONValue?) -> Bool {
        written?.text.flatMap { try? StrictJSON.parse($0) } == value
    }
}
