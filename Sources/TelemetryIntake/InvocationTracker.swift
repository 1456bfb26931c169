import JSON

/// Which invocation a text line belongs to, by the order of the events (design: attribution). A value in the spool: it
/// goes on over bodies and restarts.
struct InvocationTracker {
    private(set) var current: String?
    /// ``current`` as the inside of a JSON string.
    private(set) var rendered: [UInt8] = []
    private let isOff: Bool

    /// On Managed Instances invocations overlap, and order says nothing.
    init(current: String?, managedInstances: Bool) {
        isOff = managedInstances
        set(managedInstances ? nil : current)
    }

    /// Before the event's own document is written.
    mutating func begin(_ kind: EventKind, requestID: UnsafeRawBufferPointer) {
        guard !isOff else { return }
        switch kind {
        case .start: set(requestID.isEmpty ? nil : JSONReader.decode(requestID))
        case .initStart, .restoreStart: set(nil)
        default: break
        }
    }

    /// After it.
    mutating func end(_ kind: EventKind, requestID: UnsafeRawBufferPointer) {
        guard kind == .runtimeDone || kind == .report, let current, JSONReader.decode(requestID) == current else {
            return
        }
        set(nil)
    }

    private mutating func set(_ id: String?) {
        current = id
        guard let id else {
            rendered = []
            return
        }
        var writer = JSONWriter()
        writer.string(id)
        rendered = Array(writer.bytes.dropFirst().dropLast())
    }
}
