import Synchronization

/// The last, synchronous drain: what it waits for, in order. The deadline itself is kept by the main thread.
package struct Drain {
    /// Longest wait for the report of the last invocation after SHUTDOWN: it comes within 40 ms or never.
    package static let reportGrace: Duration = .milliseconds(60)

    final class Flag: Sendable {
        private let value = Atomic<Bool>(false)
        var isSet: Bool { value.load(ordering: .acquiring) }
        func set() { value.store(true, ordering: .releasing) }
    }

    let order: FlushMailbox.ShutdownOrder
    let begun: Moment
    /// Held parts of cut records have been asked to become text.
    var partsRequested = false
    /// Set by the listener once they have.
    let release = Flag()
    var ended = false

    init(order: FlushMailbox.ShutdownOrder, begun: Moment) {
        self.order = order
        self.begun = begun
    }

    var partsReleased: Bool { release.isSet }

    func isReportDue(at now: Moment, _ progress: InvocationProgress) -> Bool {
        order.awaitsReport && progress.awaitsReport && now.elapsed(since: begun) < Self.reportGrace
    }

    func reportWait(at now: Moment) -> Duration {
        min(.milliseconds(20), max(.milliseconds(1), Self.reportGrace - now.elapsed(since: begun)))
    }
}
