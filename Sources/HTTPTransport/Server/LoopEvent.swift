import CEvent

/// One libevent event and what it runs.
///
/// libevent holds an unretained pointer to this object; `deinit` takes the event out of the loop first, so that the
/// pointer never outlives it. Belongs to the loop's thread.
final class LoopEvent {
    private var event: OpaquePointer?
    private let work: () -> Void
    private(set) var isAdded = false

    private static let isPersistent: Int16 = 0x10

    /// Readiness of a descriptor, reported until ``remove()``.
    init?(base: OpaquePointer, descriptor: Int32, on what: What, _ work: @escaping () -> Void) {
        self.work = work
        event = event_new(
            base, descriptor, what.rawValue | (what == .timer ? 0 : Self.isPersistent),
            { _, _, owner in
                guard let owner else { return }
                // Strong for the length of the call: the work may drop the last reference to this object.
                let event = Unmanaged<LoopEvent>.fromOpaque(owner).takeUnretainedValue()
                withExtendedLifetime(event) { event.fire() }
            }, Unmanaged.passUnretained(self).toOpaque())
        if event == nil { return nil }
    }

    deinit {
        if let event { event_free(event) }
    }

    enum What: Int16 {
        case timer = 0
        case readable = 0x02
        case writable = 0x04
    }

    private func fire() {
        if let event { isAdded = event_pending(event, 0x07, nil) != 0 }
        work()
    }

    func add() {
        guard let event, !isAdded else { return }
        isAdded = event_add(event, nil) == 0
    }

    /// Starts the timer anew.
    func add(after delay: Duration) {
        guard let event else { return }
        let (seconds, attoseconds) = max(delay, .zero).components
        var time = cevent_interval(Int(clamping: seconds), Int(attoseconds / 1_000_000_000_000))
        isAdded = event_add(event, &time) == 0
    }

    func remove() {
        guard let event, isAdded else { return }
        event_del(event)
        isAdded = false
    }
}
