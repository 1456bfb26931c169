import Foundation
import TelemetryModel
import Testing

@testable import TelemetrySpool

/// Only what cannot be read quarantines; what can be read of it is salvaged, what cannot is counted.
@Suite struct QuarantineTests {
    let directory = TemporaryDirectory()
    let world = World()

    private func spool() -> Spool { Spool(directory: directory.spool, options: world.options()) }

    /// 200 chunks of 10 events, held parts, metrics and rejects, all of it in the database file.
    private func filled() throws -> (id: String, chunkID: Int64) {
        let spool = spool()
        try spool.opened()
        for seed in 0..<200 {
            try spool.append(chunks: [Fixtures.chunk(events: 10, bytes: 10_000, seed: seed)]) { batch in
                batch.observations = [Observation(family: "f_seconds", value: 2)]
                batch.counters = [CounterIncrement(family: CounterIncrement.platformDropped, count: 1)]
            }
        }
        try spool.append(chunks: []) { batch in
            batch.state.heldParts = [HeldPart(envelope: [1], value: [2], parts: 3, receivedMs: 4)]
            batch.state.invocationID = "request"
            batch.rejects = [Fixtures.reject()]
            batch.ledger.add(3, .received)
            batch.ledger.add(2, .joined)
            batch.ledger.add(1, .spooled)
            batch.ledger.add(1, .received)
            batch.ledger.add(1, .rejected, LedgerReason.document)
        }
        try spool.withStore { store throws(SpoolError) in try store.checkpoint() }
        // All of it is in the database now; an open would still take the newest pages from the WAL.
        unlink(directory.wal)
        return (try #require(spool.environmentID?.text), spool.withStoreForTest { $0.row.nextChunk })
    }

    /// Page numbers (from 1) of the leaves of a table, of a spool that is not open.
    private func leaves(of table: String) throws -> [Int] {
        let connection = try Connection(path: directory.database, access: .readWrite, vfs: nil)
        try SpoolSchema.prepareFile(connection)
        var pages: [Int] = []
        try connection.query(
            "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path", [.text(table)],
            during: "test"
        ) {
            pages.append($0.int(0)); return true
        }
        return pages
    }

    private func salvageAll(_ spool: Spool) {
        while spool.maintain(nowMs: 0).hasMore {}
    }

    @Test func `rows around an unreadable page are salvaged, and what it held is discarded as corrupt`() throws {
        let former = try filled()
        let pages = try leaves(of: "chunks")
        for page in [pages[pages.count / 2], pages[pages.count / 2 + 1]] {
            try directory.overwrite(
                directory.database, at: (page - 1) * 4096, with: [UInt8](repeating: 0xa5, count: 4096))
        }
        let spool = spool()
        #expect(spool.open() == .resumed)
        // It shows when the page is read.
        #expect(throws: SpoolError.corrupt) { try spool.claimAll() }
        #expect(spool.isOpen)
        #expect(spool.books.ledger.imbalance == 0)
        #expect(spool.books.ledger[.spooled, ""] == 2001)
        let environment = try #require(spool.environmentID?.text)
        #expect(environment != former.id)
        salvageAll(spool)
        let chunks = try spool.claimAll()
        let lost = 2003 - 3 - chunks.count * 10
        #expect(lost > 0 && lost <= 300)
        // Ids of rows go on: an answer that is still on its way cannot meet another row.
        #expect(chunks.allSatisfy { $0.id >= former.chunkID })
        #expect(Set(chunks.map(\.chunk.idsDigest)).count == chunks.count)
        let ledger = spool.books.ledger
        #expect(ledger[.discarded, LedgerReason.corrupt] == lost)
        #expect(ledger[.spooled, ""] == 1 + chunks.count * 10)
        #expect(ledger[.received, ""] == 2004)
        #expect(ledger.imbalance == 0)
        #expect(!spool.books.unknownLosses)
        #expect(spool.books.platformDropped == 200)
        let state = try spool.beginAppend().state
        #expect(state.heldParts == [HeldPart(envelope: [1], value: [2], parts: 3, receivedMs: 4)])
        #expect(state.invocationID == "request")
        #expect(state.identity == .environment(try #require(EnvironmentID(environment))))
        #expect(spool.recall(Fixtures.body(5).digest) == 10)
        #expect(world.notices.map(\.event) == ["spool_quarantined", "spool_salvaged"])
        #expect(FileManager.default.fileExists(atPath: directory.spool + "/corrupt.db"))
        #expect(!FileManager.default.fileExists(atPath: directory.spool + "/quarantine.db"))
        try spool.deliver(chunks)
        #expect(spool.books.ledger.imbalance == 0)
    }

    @Test func `metrics of the former instance are pushed once more, new ones start at zero`() throws {
        let former = try filled()
        let page = try #require(try leaves(of: "chunks").first)
        try directory.overwrite(directory.database, at: (page - 1) * 4096, with: [UInt8](repeating: 0, count: 4096))
        let spool = spool()
        try spool.opened()
        _ = try? spool.claimAll()
        salvageAll(spool)
        try spool.append(chunks: [Fixtures.chunk(events: 4)]) {
            $0.observations = [Observation(family: "f_seconds", value: 7)]
        }
        let groups = try spool.metricGroups()
        #expect(groups.map(\.isOwn) == [true, false])
        #expect(groups[0].instance == spool.environmentID?.text)
        #expect(groups[0].summaries.map(\.sketch.sum) == [7])
        #expect(groups[0].counters.isEmpty)
        #expect(groups[0].ledger[.received, ""] == 4)
        #expect(groups[0].ledger[.rejected, LedgerReason.document] == 0)
        #expect(groups[1].instance == former.id)
        #expect(groups[1].summaries.map(\.sketch.sum) == [400])
        #expect(groups[1].counters.map(\.count) == [200])
        #expect(groups[1].ledger[.received, ""] == 2004)
        #expect(groups[1].ledger[.spooled, ""] == 0)
        try spool.markPushed(instance: former.id)
        #expect(try spool.metricGroups().map(\.isOwn) == [true])
        #expect(try spool.metricGroups()[0].ledger[.received, ""] == 4)
    }

    @Test func `a file that is no database is renamed aside, and its losses are unknown`() throws {
        try FileManager.default.createDirectory(atPath: directory.spool, withIntermediateDirectories: true)
        _ = FileManager.default.createFile(
            atPath: directory.database, contents: Data("this is not a database at all".utf8) + Data(count: 9000))
        let spool = spool()
        #expect(spool.open() == .quarantined)
        #expect(spool.books.unknownLosses)
        salvageAll(spool)
        #expect(FileManager.default.fileExists(atPath: directory.spool + "/corrupt.db"))
        try spool.append(chunks: [Fixtures.chunk()])
        #expect(spool.books.ledger.imbalance == 0)
    }

    @Test func `an unreadable ledger makes the losses unknown, and every readable row is kept`() throws {
        _ = try filled()
        let page = try #require(try leaves(of: "ledger").first)
        try directory.overwrite(directory.database, at: (page - 1) * 4096, with: [UInt8](repeating: 0xff, count: 4096))
        let spool = spool()
        #expect(spool.open() == .quarantined)
        #expect(spool.books.unknownLosses)
        salvageAll(spool)
        #expect(try spool.claimAll().count == 200)
        #expect(spool.books.ledger[.spooled, ""] == 2001)
        #expect(spool.books.ledger.imbalance == 0)
    }

    @Test func `the file is cut in the middle of its life`() throws {
        let spool = spool()
        try spool.opened()
        for seed in 0..<300 { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 10_000, seed: seed)]) }
        while spool.maintain(nowMs: 0).hasMore {}
        truncate(directory.database, 1_000_000)
        var claimed: [StoredChunk] = []
        while claimed.isEmpty {
            do {
                claimed = try spool.claimAll()
                if claimed.isEmpty { break }
            } catch SpoolError.corrupt {
                salvageAll(spool)
            }
        }
        #expect(!claimed.isEmpty)
        let ledger = spool.books.ledger
        #expect(ledger.imbalance == 0)
        #expect(ledger[.received, ""] == 300)
        #expect(ledger[.spooled, ""] == claimed.count)
        #expect(ledger[.discarded, LedgerReason.corrupt] == 300 - claimed.count)
    }

    @Test func `a salvage that a kill interrupts goes on where it was`() throws {
        _ = try filled()
        let page = try #require(try leaves(of: "chunks").last)
        try directory.overwrite(directory.database, at: (page - 1) * 4096, with: [UInt8](repeating: 0, count: 4096))
        var books = Books()
        do {
            let spool = spool()
            try spool.opened()
            _ = try? spool.claimAll()
            for _ in 0..<3 { _ = spool.maintain(nowMs: 0) }
            books = spool.books
            #expect(spool.backlog().chunks > 0 && spool.backlog().chunks < 190)
        }
        let spool = spool()
        #expect(spool.open() == .resumed)
        #expect(spool.books.ledger == books.ledger)
        salvageAll(spool)
        let chunks = try spool.claimAll()
        #expect(Set(chunks.map(\.chunk.idsDigest)).count == chunks.count)
        #expect(chunks.count >= 190)
        #expect(spool.books.ledger[.spooled, ""] == 1 + chunks.count * 10)
        #expect(spool.books.ledger.imbalance == 0)
    }

    @Test func `a kill between the rename and the fresh file repeats the quarantine`() throws {
        _ = try filled()
        for suffix in ["", "-wal"] {
            rename(directory.database + suffix, directory.spool + "/quarantine.db" + suffix)
        }
        let spool = spool()
        #expect(spool.open() == .quarantined)
        salvageAll(spool)
        #expect(try spool.claimAll().count == 200)
        #expect(spool.books.ledger.total(.discarded) == 0)
        #expect(spool.books.ledger[.rejected, LedgerReason.document] == 1)
        #expect(try SpoolReader(copying: directory.spool).rejects(count: 9).map(\.document) == [Fixtures.reject()])
    }

    @Test func `a disk error is not a quarantine`() throws {
        let disk = try FaultyDisk()
        let spool = Spool(directory: directory.spool, options: world.options(vfs: disk.name))
        try spool.opened()
        let id = spool.environmentID
        for fault in [FaultyDisk.Fault.full, .ioError, .short] {
            disk.fail(fault, write: 1, count: 1000)
            #expect(throws: SpoolError.self) { try spool.append(chunks: [Fixtures.chunk()]) }
            disk.heal()
            try spool.append(chunks: [Fixtures.chunk()])
        }
        #expect(spool.environmentID == id)
        #expect(!FileManager.default.fileExists(atPath: directory.spool + "/corrupt.db"))
        #expect(try spool.claimAll().count == 3)
    }

    @Test func `evidence is given up before anything is discarded`() throws {
        _ = try filled()
        let page = try #require(try leaves(of: "chunks").first)
        try directory.overwrite(directory.database, at: (page - 1) * 4096, with: [UInt8](repeating: 0, count: 4096))
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: 8 << 20))
        try spool.opened()
        _ = try? spool.claimAll()
        salvageAll(spool)
        let lost = spool.books.ledger.total(.discarded)
        #expect(FileManager.default.fileExists(atPath: directory.spool + "/corrupt.db"))
        while FileManager.default.fileExists(atPath: directory.spool + "/corrupt.db") {
            #expect(spool.books.ledger.total(.discarded) == lost)
            try spool.append(chunks: [Fixtures.chunk(bytes: 100_000)])
        }
        #expect(spool.books.ledger.total(.discarded) == lost)
    }
}

extension Spool {
    func withStoreForTest<Result: Sendable>(_ body: @Sendable (SpoolStore) -> Result) -> Result {
        guard let result = try? withStore({ store in body(store) }) else { fatalError("The spool is not open.") }
        return result
    }
}
