/// A piece of a body: an event, or a part of one that was too large for a body of its own.
package struct TelemetryElement: Equatable, Sendable {
    /// What stands between the commas of the array.
    package var bytes: [UInt8]
    package var key: EventKey
    /// 0-based; `parts` is 1 for a whole event.
    package var part = 0
    package var parts = 1

    /// A part is the first of its body unless it is the first of its record.
    var opensBody: Bool { part > 0 }
    /// A part is the last of its body unless it is the last of its record.
    var closesBody: Bool { part < parts - 1 }
}

/// Where a record above `maxBytes` is cut.
package enum CutPlacement: String, CaseIterable, Sendable {
    case betweenCharacters
    /// Behind the backslash of an escape, where there is one.
    case insideEscape
    /// Behind the first byte of a multi-byte character, where there is one.
    case insideCharacter
    /// Exactly at the bound, whatever stands there.
    case anywhere
}

/// Cuts records as the platform does: each part but the last stops inside the value and is still closed with `}`; each
/// but the first repeats the envelope up to and including `"record":`. Neither body is JSON then.
package enum RecordCutter {
    package static func elements(
        of event: TelemetryEvent, schema: String, maxBytes: Int, placement: CutPlacement = .betweenCharacters
    ) -> [TelemetryElement] {
        let envelope = event.envelope
        let value = event.value(schema: schema)
        let close = UInt8(ascii: "}")
        guard envelope.count + value.count + 3 > maxBytes else {
            return [TelemetryElement(bytes: envelope + value + [close], key: event.key)]
        }
        let room = max(16, maxBytes - envelope.count - 3)
        var parts: [[UInt8]] = []
        var start = 0
        while value.count - start > room {
            let end = cut(value, near: start + room, above: start, placement)
            parts.append(envelope + value[start..<end] + [close])
            start = end
        }
        parts.append(envelope + value[start...] + [close])
        return parts.enumerated().map {
            TelemetryElement(bytes: $0.element, key: event.key, part: $0.offset, parts: parts.count)
        }
    }

    private static func cut(_ value: [UInt8], near position: Int, above start: Int, _ placement: CutPlacement) -> Int {
        // Looking back further than this finds nothing that a bound would.
        let lowest = max(start + 1, position - 4096)
        switch placement {
        case .anywhere: return position
        case .betweenCharacters:
            var end = position
            while end > lowest, !isBoundary(value, end) { end -= 1 }
            return end
        case .insideEscape:
            for end in stride(from: position, through: lowest, by: -1)
            where value[end - 1] == UInt8(ascii: "\\") && isEscaping(value, end - 1) {
                return end
            }
            return position
        case .insideCharacter:
            for end in stride(from: position, through: lowest, by: -1) where value[end - 1] >= 0xC0 { return end }
            return position
        }
    }

    /// True for a backslash that opens an escape: an even number of backslashes stands before it.
    private static func isEscaping(_ value: [UInt8], _ index: Int) -> Bool {
        var before = index
        while before > 0, value[before - 1] == UInt8(ascii: "\\") { before -= 1 }
        return (index - before) % 2 == 0
    }

    private static func isBoundary(_ value: [UInt8], _ position: Int) -> Bool {
        guard position < value.count else { return true }
        if value[position] & 0xC0 == 0x80 { return false }
        // `\uXXXX` is the longest escape: its backslash may lie up to five bytes back.
        for back in 1...5 where position - back >= 0 {
            let index = position - back
            guard value[index] == UInt8(ascii: "\\"), isEscaping(value, index), index + 1 < value.count else {
                continue
            }
            let length = value[index + 1] == UInt8(ascii: "u") ? 6 : 2
            if back < length { return false }
        }
        return true
    }
}
