import Foundation
import Synchronization
import TelemetryModel
import TelemetrySpool
import Testing

/// The three threads of the extension on one spool, as fast as they can: for the thread sanitizer, and for the books.
@Suite struct ThreadsTests {
    let directory = TemporaryDirectory()
    let world = World()

    @Test func `appending, draining and looking at the books at once loses nothing`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        let appended = 400
        let isDone = Atomic(false)
        let delivered = Atomic(0)
        let failures = Mutex<[String]>([])
        let group = DispatchGroup()
        func thread(_ body: @escaping @Sendable () throws -> Void) {
            group.enter()
            Thread.detachNewThread {
                do { try body() } catch { failures.withLock { $0.append("\(error)") } }
                group.leave()
            }
        }
        thread {
            var count = 0
            while count < appended {
                do {
                    try spool.append(chunks: [Fixtures.chunk(events: 3, bytes: 5000, seed: count)])
                    spool.acknowledged(inFull: true)
                    count += 1
                } catch SpoolError.stale {}
            }
            isDone.store(true, ordering: .sequentiallyConsistent)
        }
        thread {
            while true {
                let wasDone = isDone.load(ordering: .sequentiallyConsistent)
                let claimed = try spool.claim(.oldestFirst, maximumBytes: 500_000, maximumChunks: 50, nowMs: 0)
                if case .settled(let counts) = try spool.deliver(claimed) {
                    delivered.add(counts.delivered, ordering: .relaxed)
                }
                _ = spool.maintain(nowMs: 0)
                _ = try spool.metricGroups()
                if wasDone, claimed.isEmpty { break }
            }
        }
        thread {
            while !isDone.load(ordering: .sequentiallyConsistent) {
                let books = spool.books
                if books.ledger.imbalance != 0 { throw TestFailure(what: "imbalance \(books.ledger.imbalance)") }
                spool.verifyFile(nowMs: 0)
                _ = spool.backlog()
            }
        }
        group.wait()
        #expect(failures.withLock { $0 } == [])
        #expect(delivered.load(ordering: .relaxed) == appended * 3)
        #expect(spool.books.ledger[.delivered, ""] == appended * 3)
        #expect(spool.books.ledger[.spooled, ""] == 0)
    }
}
