/// Why an operation on the spool changed nothing. After any of these nothing in memory differs from before the call.
package enum SpoolError: Error, Equatable, Sendable {
    /// No room: the disk is full, or the bound is reached and everything that could be discarded is claimed.
    case full
    /// SQLite's extended result code, and what was being done.
    case io(code: Int32, during: StaticString)
    /// Another process holds the database.
    case busy
    case notOpen
    /// The database is not readable any more. It has been quarantined, and a fresh one is in its place: trying the same
    /// again may succeed.
    case corrupt
    /// The batch was encoded against a state that has changed since: encode again.
    case stale
    /// A caller's numbers do not add up.
    case `internal`(StaticString)

    package static func == (left: SpoolError, right: SpoolError) -> Bool { left.description == right.description }
}

extension SpoolError: CustomStringConvertible {
    /// A fixed word and a code: nothing of a payload.
    package var description: String {
        switch self {
        case .full: "full"
        case .io(let code, let operation): "io code=\(code) during=\(operation)"
        case .busy: "busy"
        case .notOpen: "not_open"
        case .corrupt: "corrupt"
        case .stale: "stale"
        case .internal(let what): "internal \(what)"
        }
    }
}
