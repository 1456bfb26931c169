import Glibc
import HTTPTransport
import Synchronization

/// Responders that wait, as in a long poll.
///
/// `@unchecked`: the responders are touched on the server's loop alone; what tests read from outside is atomic.
final class Held: @unchecked Sendable {
    private var responders: [HTTPResponder] = []
    private let count = Atomic<Int>(0)
    let closed = Atomic<Int>(0)

    /// On the loop.
    func keep(_ responder: HTTPResponder, watching: Bool = false) {
        responders.append(responder)
        if watching { responder.onClose = { [self] in closed.add(1, ordering: .sequentiallyConsistent) } }
        count.add(1, ordering: .sequentiallyConsistent)
    }

    /// On the loop.
    func answerAll() {
        let waiting = responders
        // An answer may bring the next request of its connection at once.
        responders.removeAll()
        for responder in waiting { responder.respond(status: 200) }
    }

    /// From a test: returns when so many requests have arrived, or after ten seconds.
    func wait(for wanted: Int) {
        eventually { count.load(ordering: .sequentiallyConsistent) >= wanted }
    }
}

/// Looks until `condition` holds, for at most ten seconds; whether it does.
@discardableResult
func eventually(_ condition: () -> Bool) -> Bool {
    let end = ContinuousClock.now + .seconds(10)
    while !condition() {
        if ContinuousClock.now > end { return false }
        sched_yield()
    }
    return true
}
