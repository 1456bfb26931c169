import Glibc
import Synchronization

/// Reaches one server's loop from any thread.
///
/// libevent's own locking stays off: an eventfd that the loop watches carries the wake, a lock of ours the work.
package final class HTTPServerHandle: Sendable {
    enum Message {
        case work(@Sendable () -> Void)
        case stop
    }

    private struct State {
        var messages: [Message] = []
        /// -1 once the server is gone; messages are then dropped.
        var descriptor: Int32
    }

    private let state: Mutex<State>

    /// Takes over the eventfd.
    init(descriptor: Int32) {
        state = Mutex(State(descriptor: descriptor))
    }

    /// Runs `work` on the loop, after what was handed over before. Dropped when the server has gone.
    package func perform(_ work: @escaping @Sendable () -> Void) {
        post(.work(work))
    }

    /// Makes ``HTTPServer/run()`` return; one that has not begun yet returns at once.
    package func stop() {
        post(.stop)
    }

    private func post(_ message: Message) {
        state.withLock { state in
            guard state.descriptor >= 0 else { return }
            state.messages.append(message)
            var one: UInt64 = 1
            // Can fail only when 2^64 - 1 wakes are outstanding: then the loop is awake anyhow.
            _ = write(state.descriptor, &one, 8)
        }
    }

    /// On the loop: what was handed over since the last call.
    func takeMessages() -> [Message] {
        state.withLock { state in
            var count: UInt64 = 0
            if state.descriptor >= 0 { _ = read(state.descriptor, &count, 8) }
            defer { state.messages.removeAll() }
            return state.messages
        }
    }

    func invalidate() {
        let dropped = state.withLock { state in
            if state.descriptor >= 0 { close(state.descriptor) }
            state.descriptor = -1
            defer { state.messages.removeAll() }
            return state.messages
        }
        // Freed outside the lock: what the closures hold may run code of its own.
        _ = dropped
    }
}
