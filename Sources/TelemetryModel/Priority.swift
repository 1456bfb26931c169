/// How late a chunk is discarded when the spool is full, and how early it is drained at SHUTDOWN.
///
/// A chunk has the highest priority of its events.
package enum Priority: Int, Comparable, Sendable {
    /// Plain function and extension lines.
    case line = 0
    /// Platform events.
    case platform = 1
    /// `platform.runtimeDone` and `platform.report` with a status other than `success`, and records with an `errorType`
    /// or the level ERROR or FATAL.
    case failure = 2

    package static func < (left: Priority, right: Priority) -> Bool { left.rawValue < right.rawValue }
}
