import TelemetryModel

/// One index name and what goes before it in an action line.
final class IndexName {
    let name: String
    /// `{"create":{"_index":"…","_id":"` and the batch's id prefix.
    let actionHead: [UInt8]

    init(name: String, actionHead: [UInt8]) {
        self.name = name
        self.actionHead = actionHead
    }
}

/// The names of the batch's indices, rendered once per stream and day.
struct IndexNames {
    private let patterns: IndexPatterns
    private let idPrefix: [UInt8]
    private var last: [(day: Int32, name: IndexName)?] = [nil, nil, nil]
    private var names: [Key: IndexName] = [:]
    /// Days kept at once: a body of lies about time may name any number.
    private static let bound = 64

    private struct Key: Hashable {
        var stream: TelemetryStream
        var day: Int32
    }

    init(patterns: IndexPatterns, idPrefix: [UInt8]) {
        self.patterns = patterns
        self.idPrefix = idPrefix
    }

    @inline(__always)
    mutating func name(_ stream: TelemetryStream, day: Int32) -> IndexName {
        let slot =
            switch stream {
            case .platform: 0
            case .function: 1
            case .extensionLogs: 2
            }
        if let last = last[slot], last.day == day { return last.name }
        return find(stream, day, slot)
    }

    private mutating func find(_ stream: TelemetryStream, _ day: Int32, _ slot: Int) -> IndexName {
        let pattern = patterns[stream]
        let key = Key(stream: stream, day: pattern.isFixed ? 0 : day)
        if let known = names[key] {
            last[slot] = (day, known)
            return known
        }
        let name = pattern.name(
            year: Timestamp.year(day), month: Timestamp.month(day), day: Timestamp.dayOfMonth(day))
        var head: [UInt8] = []
        head.append(contentsOf: "\(ActionLine.beforeIndex)\(name)\(ActionLine.beforeID)".utf8)
        head.append(contentsOf: idPrefix)
        let made = IndexName(name: name, actionHead: head)
        if names.count >= Self.bound { names.removeAll(keepingCapacity: true) }
        names[key] = made
        last[slot] = (day, made)
        return made
    }
}
