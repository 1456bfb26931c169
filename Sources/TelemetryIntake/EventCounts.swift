import TelemetryModel

/// How many events of which type a body has.
struct EventCounts {
    /// Types told apart in one body, and bytes of a type's name.
    private static let bound = 64

    private var functionLines = 0
    private var extensionLines = 0
    private var others: [(type: [UInt8], count: Int)] = []
    /// Beyond the bound.
    private var rest = 0

    /// `type` is the value as it stands, empty for none.
    @inline(__always)
    mutating func add(_ kind: EventKind, type: UnsafeRawBufferPointer) {
        switch kind {
        case .function: functionLines &+= 1
        case .extensionLogs: extensionLines &+= 1
        default: add(type.first == Ascii.quote ? type.unquoted : type)
        }
    }

    private mutating func add(_ type: UnsafeRawBufferPointer) {
        let name = type.prefix(Self.bound)
        for index in others.indices where others[index].type.count == name.count {
            if others[index].type.elementsEqual(name) {
                others[index].count += 1
                return
            }
        }
        guard others.count < Self.bound else {
            rest += 1
            return
        }
        others.append((Array(name), 1))
    }

    func count(into result: inout ReportObserver.Result) {
        result.count(CounterIncrement.events, "function", functionLines)
        result.count(CounterIncrement.events, "extension", extensionLines)
        for other in others { result.count(CounterIncrement.events, Self.label(other.type), other.count) }
        result.count(CounterIncrement.events, "other", rest)
    }

    /// Printable ASCII without what a label or a URL would have to escape.
    private static func label(_ type: [UInt8]) -> String {
        guard !type.isEmpty else { return "unknown" }
        let printable = type.map { byte in
            (0x21...0x7e).contains(byte) && byte != Ascii.quote && byte != UInt8(ascii: "\\") ? byte : UInt8(ascii: "_")
        }
        return String(decoding: printable, as: UTF8.self)
    }
}
