import Glibc
import Synchronization

/// What the other threads tell the flush thread, and what it tells them. Values only; a wake comes from the caller.
package final class FlushMailbox: Sendable {
    package struct Messages: Sendable {
        /// An INVOKE came: clocks may have jumped, the age of the oldest chunk is to be looked at.
        package var invoked = false
        /// How long that INVOKE was waited for, by whichever clock counted more: where a freeze was, it was in this time.
        package var idle: Duration = .zero
        package var shutdown: ShutdownOrder?
        /// The spool holds what a predecessor left.
        package var resumed = false
        /// Something was appended that may be due.
        package var appended = false
    }

    package struct ShutdownOrder: Sendable {
        /// When the drain must have ended.
        package var deadline: Moment
        /// A report may still come: spindown, and an invocation whose report has not been seen.
        package var awaitsReport: Bool

        package init(deadline: Moment, awaitsReport: Bool) {
            self.deadline = deadline
            self.awaitsReport = awaitsReport
        }
    }

    private struct Box: Sendable {
        var messages = Messages()
        var wake: (@Sendable () -> Void)?
    }

    private let box = Mutex(Box())
    private let flushing = Atomic<Bool>(false)
    private let breakerOpen = Atomic<Bool>(false)
    private let drained = Atomic<Bool>(false)
    /// Signals the main thread: a flush ended, the drain ended, an invocation finished. A pipe, so that a wait on it has
    /// a deadline on the monotonic clock.
    private let readEnd: Int32
    private let writeEnd: Int32

    /// Nil when the process has no file descriptor left.
    package init?() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        readEnd = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    /// The flush thread's wake, set before it starts to wait.
    package func setWake(_ wake: @escaping @Sendable () -> Void) {
        box.withLock { $0.wake = wake }
    }

    package func post(_ change: @Sendable (inout Messages) -> Void) {
        let wake = box.withLock { box in
            change(&box.messages)
            return box.wake
        }
        wake?()
    }

    package func take() -> Messages {
        box.withLock { box in
            defer { box.messages = Messages() }
            return box.messages
        }
    }

    // MARK: What the flush thread says

    /// True while requests are under way or due.
    package var isFlushing: Bool { flushing.load(ordering: .acquiring) }
    /// True while the log sink is known to be down.
    package var isBreakerOpen: Bool { breakerOpen.load(ordering: .acquiring) }
    /// True once the drain at SHUTDOWN has ended.
    package var isDrained: Bool { drained.load(ordering: .acquiring) }

    package func report(flushing now: Bool, breakerOpen open: Bool) {
        breakerOpen.store(open, ordering: .releasing)
        if flushing.exchange(now, ordering: .acquiringAndReleasing) != now, !now { raise() }
    }

    package func reportDrained() {
        drained.store(true, ordering: .releasing)
        raise()
    }

    /// Wakes a main thread that waits in ``waitForSignal(upTo:)``.
    package func raise() {
        // A full pipe holds more signals than anybody waits for.
        var one: UInt8 = 1
        _ = write(writeEnd, &one, 1)
    }

    /// Main thread: returns at the next signal or after `limit`.
    package func waitForSignal(upTo limit: Duration) {
        var descriptor = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
        let milliseconds = Int32(clamping: max(0, limit.milliseconds + 1))
        guard poll(&descriptor, 1, milliseconds) > 0 else { return }
        var signals = [UInt8](repeating: 0, count: 64)
        while read(readEnd, &signals, signals.count) == signals.count {}
    }
}
