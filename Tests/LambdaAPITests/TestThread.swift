import Glibc
import Synchronization

/// A thread that runs one closure.
final class TestThread: Sendable {
    private let running: Running
    private let identifier: pthread_t

    private final class Running: Sendable {
        let isOver = Atomic<Bool>(false)
        let work: @Sendable () -> Void

        init(_ work: @escaping @Sendable () -> Void) {
            self.work = work
        }
    }

    struct NotStarted: Error {}

    init(_ work: @escaping @Sendable () -> Void) throws {
        let running = Running(work)
        var identifier = pthread_t()
        let code = pthread_create(
            &identifier, nil,
            { argument in
                guard let argument else { return nil }
                // Takes over the reference that the starter left.
                let running = Unmanaged<Running>.fromOpaque(argument).takeRetainedValue()
                running.work()
                running.isOver.store(true, ordering: .releasing)
                return nil
            }, Unmanaged.passRetained(running).toOpaque())
        guard code == 0 else { throw NotStarted() }
        self.running = running
        self.identifier = identifier
    }

    var isRunning: Bool { !running.isOver.load(ordering: .acquiring) }

    func join() { pthread_join(identifier, nil) }
}

/// Looks until `condition` holds, for at most ten seconds; whether it does.
func eventually(_ condition: () -> Bool) -> Bool {
    let end = ContinuousClock.now + .seconds(10)
    while !condition() {
        if ContinuousClock.now > end { return false }
        sched_yield()
    }
    return true
}
