import JSON
import TelemetryModel

/// Parts of cut records that wait for their other half (fact sheet: cut records), within bounds.
struct CutRecordJoiner {
    /// Parts held at once, and bytes of their values in all; beyond, the oldest is delivered as text.
    static let partBound = 4
    static let valueBound = 8 << 20

    private(set) var parts: [HeldPart]

    init(parts: [HeldPart]) {
        self.parts = parts
    }

    enum Attempt {
        /// No part belongs to the body's first element.
        case none
        /// The body as it would be had the platform not cut the record of its first element.
        case joined(JSONBuffer, isOfSnapshot: Bool)
        /// The body is one more part, which has been added.
        case extended
    }

    /// Tries to complete a held part with the body's first element. Joining wins over the element's standing alone; that
    /// it is whole by itself wins over its being one more part.
    mutating func join(
        _ body: UnsafeRawBufferPointer, first: BodyElement, outline: JSONOutline
    ) -> Attempt {
        let start = Int(first.whole.start)
        for index in parts.indices {
            let part = parts[index]
            guard body.slice(start, body.count).begins(with: part.envelope) else { continue }
            let rest = body.slice(start + part.envelope.count, body.count)
            let joined = JSONBuffer(capacity: part.envelope.count + part.value.count + rest.count + 8)
            joined.append(byte: Ascii.openBracket)
            joined.append(part.envelope)
            joined.append(part.value)
            joined.append(rest)
            var splitter = BodySplitter(joined.bytes, outline: outline, ownLinePrefix: [])
            switch splitter.next()?.shape {
            case .object:
                parts.remove(at: index)
                return .joined(joined, isOfSnapshot: part.isOfSnapshot)
            case .cut where first.mayBePart(body):
                let end = splitter.closingStart
                let from = 1 + part.envelope.count + part.value.count
                guard end < joined.count, end >= from else { continue }
                parts[index].value.append(contentsOf: joined.bytes[from..<end])
                parts[index].parts += 1
                return .extended
            default: continue
            }
        }
        return .none
    }

    mutating func hold(_ part: HeldPart) { parts.append(part) }

    /// Takes out the oldest parts until the rest is within the bounds.
    mutating func takeExcess() -> [HeldPart] {
        var excess: [HeldPart] = []
        while parts.count > Self.partBound || parts.reduce(0, { $0 + $1.value.count }) > Self.valueBound {
            excess.append(parts.removeFirst())
        }
        return excess
    }

    /// Takes out the parts that have waited for `ageMs` milliseconds of wall clock; 0 takes all.
    mutating func take(olderThan ageMs: Int64, nowMs: Int64) -> [HeldPart] {
        let taken = parts.filter { ageMs <= 0 || nowMs - $0.receivedMs >= ageMs }
        parts.removeAll { ageMs <= 0 || nowMs - $0.receivedMs >= ageMs }
        return taken
    }

    /// A body of one whole event that says what is known of a part as text.
    static func text(of part: HeldPart) -> JSONBuffer {
        let buffer = JSONBuffer(capacity: part.envelope.count + part.value.count + 64)
        buffer.append(part.envelope)
        buffer.append("{\"message\":\"")
        part.value.withUnsafeBytes { value in
            let start = value.firstIndex { $0 > 0x20 } ?? value.count
            if start < value.count, value[start] == Ascii.quote {
                buffer.appendRepairedString(value.slice(start + 1, value.count))
            } else {
                buffer.appendEscaped(value)
            }
        }
        buffer.append("\"}}")
        return buffer
    }
}
