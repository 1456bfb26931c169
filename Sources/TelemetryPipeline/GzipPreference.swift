/// Whether requests are compressed.
///
/// Bad gzip may get a 400 or just a closed connection, so does much else. Gzip counts as unwanted only when plain was
/// accepted and the next gzip request fails the same way again; after ten minutes it is tried once more.
package struct GzipPreference: Sendable {
    package static let retryAfter: Duration = .seconds(600)

    private enum State: Equatable {
        case wanted
        /// A gzip request was answered with a fault that gzip may have caused, this many times in a row.
        case suspected(Int)
        /// The same content is being sent plain.
        case comparing
        /// Plain was accepted; the next gzip request decides.
        case onTrial
        case unwanted(since: Moment)
    }

    private var state = State.wanted

    package init() {}

    /// Reads, and after ten minutes of plain requests allows a gzip one.
    package mutating func usesGzip(at now: Moment) -> Bool {
        switch state {
        case .wanted, .suspected, .onTrial: return true
        case .comparing: return false
        case .unwanted(let since):
            guard now.elapsed(since: since) >= Self.retryAfter else { return false }
            state = .onTrial
            return true
        }
    }

    package var isComparing: Bool { state == .comparing }

    /// A gzip request failed in a way that gzip may have caused: 400, or closed without an answer.
    /// - Parameter closed: closed without an answer. That happens for many reasons: it takes two in a row.
    /// - Returns: true when the same content should now be sent plain.
    package mutating func gzipFailed(closed: Bool, at now: Moment) -> Bool {
        switch state {
        case .onTrial:
            state = .unwanted(since: now)
            return true
        case .wanted where closed:
            state = .suspected(1)
            return false
        default:
            state = .comparing
            return true
        }
    }

    package mutating func gzipAccepted() {
        state = .wanted
    }

    package mutating func plainAccepted() {
        if state == .comparing { state = .onTrial }
    }

    /// Plain failed as well: gzip was not the cause.
    package mutating func plainFailed() {
        if state == .comparing { state = .wanted }
    }
}
