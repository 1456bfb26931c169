import Foundation
import TelemetryModel
import TelemetrySpool
import Testing

/// Every write of a whole life of a spool fails once, in every way. Whatever failed is tried again, as the callers do.
/// The quick round takes the first writes and samples of the others; `SPOOL_ROUNDS=<any>` takes every one.
@Suite struct BreakingDiskTests {
    let world = World()

    @Test(arguments: FaultyDisk.Fault.allCases)
    func `every write failing once loses nothing and counts nothing twice`(fault: FaultyDisk.Fault) throws {
        let takesAll = ProcessInfo.processInfo.environment["SPOOL_ROUNDS"] != nil
        var write = 0
        var wasReached = true
        while wasReached {
            write += takesAll || write < 24 ? 1 : 1 + write / 6
            let directory = TemporaryDirectory()
            let disk = try FaultyDisk()
            disk.fail(fault, write: write)
            let spool = Spool(directory: directory.spool, options: world.options(vfs: disk.name))
            try live(with: spool, comment: "\(fault) at write \(write)")
            wasReached = disk.writes >= write
            // What is on disk is what was in memory.
            let successor = Spool(directory: try directory.copyOfSpool(), options: world.options())
            #expect(successor.open() == .resumed)
            #expect(successor.books.ledger.nonZero == spool.books.ledger.nonZero, "\(fault) at write \(write)")
        }
        #expect(write > 200)
    }

    private func live(with spool: Spool, comment: Comment) throws {
        func retried<Result>(_ body: () throws -> Result) throws -> Result {
            var failure: any Error = TestFailure(what: "never tried")
            for _ in 0..<3 {
                do {
                    return try body()
                } catch SpoolError.notOpen {
                    try spool.opened()
                } catch {
                    failure = error
                }
            }
            throw failure
        }
        _ = try retried { try spool.opened() }
        for seed in 0..<12 {
            _ = try retried { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 90_000, seed: seed)]) }
            _ = spool.maintain(nowMs: 0)
        }
        var delivered: Set<UInt64> = []
        while true {
            let claimed = try retried {
                try spool.claim(.oldestFirst, maximumBytes: 1_500_000, maximumChunks: 3, nowMs: 0)
            }
            if claimed.isEmpty { break }
            for stored in claimed { #expect(delivered.insert(stored.chunk.idsDigest).inserted, comment) }
            _ = try retried { try spool.deliver(claimed) }
            _ = spool.maintain(nowMs: 0)
        }
        #expect(delivered.count == 12, comment)
        #expect(spool.books.ledger[.delivered, ""] == 12, comment)
        #expect(spool.books.ledger[.spooled, ""] == 0, comment)
        #expect(spool.books.ledger.imbalance == 0, comment)
        #expect(spool.environmentID != nil, comment)
    }
}
