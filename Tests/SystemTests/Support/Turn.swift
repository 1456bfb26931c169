import Foundation
import Testing

/// Lets a few of these tests run at a time, each on a thread that it may block: they start processes and wait for them.
struct Turn: SuiteTrait, TestTrait, TestScoping {
    var permits: Int
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        await Gate.shared.enter(permits)
        do {
            try await withTaskExecutorPreference(ThreadPerJob.shared) { try await function() }
        } catch {
            await Gate.shared.leave(permits)
            throw error
        }
        await Gate.shared.leave(permits)
    }
}

extension Trait where Self == Turn {
    /// Beside other system tests.
    static var together: Turn { Turn(permits: 1) }
    /// With the machine free of other system tests: what measures time.
    static var alone: Turn { Turn(permits: Gate.width) }
}

/// First come, first served: a test that wants to be alone is not overtaken for ever.
private actor Gate {
    static let width = 4
    static let shared = Gate()

    private var free = Gate.width
    private var waiting: [(permits: Int, continuation: CheckedContinuation<Void, Never>)] = []

    func enter(_ permits: Int) async {
        if waiting.isEmpty, free >= permits {
            free -= permits
            return
        }
        await withCheckedContinuation { waiting.append((permits, $0)) }
    }

    func leave(_ permits: Int) {
        free += permits
        while let first = waiting.first, free >= first.permits {
            free -= first.permits
            waiting.removeFirst().continuation.resume()
        }
    }
}

/// The cooperative pool is as wide as the machine: tests that block in it would hold up all others.
private final class ThreadPerJob: TaskExecutor {
    static let shared = ThreadPerJob()

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let thread = Thread { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        thread.name = "system-test"
        // Documents nested 10,000 levels deep are read by recursion here.
        thread.stackSize = 64 << 20
        thread.start()
    }
}
