import CSQLite
import Foundation
import Synchronization
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

    /// Opens a filled spool with a bad page in its queue, meets the page, and salvages the others.
    private func salvageAroundBadPage(_ spool: Spool) throws {
        let page = try #require(try leaves(of: "chunks").first)
        try directory.overwrite(directory.database, at: (page - 1) * 4096, with: [UInt8](repeating: 0, count: 4096))
        try spool.opened()
        _ = try? spool.claimAll()
        salvageAll(spool)
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
        let spool = spool()
        try salvageAroundBadPage(spool)
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

    @Test func `a quarantine at the start of a restored copy gives it its new id at once`() throws {
        func copy() -> Spool { Spool(directory: directory.spool, options: world.options(snapStart: true)) }
        let former: EnvironmentID?
        do {
            let spool = copy()
            try spool.opened()
            try spool.establishEnvironment()
            try spool.append(chunks: [Fixtures.chunk()])
            former = spool.environmentID
        }
        for suffix in ["", "-wal"] {
            rename(directory.database + suffix, directory.spool + "/quarantine.db" + suffix)
        }
        let spool = copy()
        #expect(spool.open() == .quarantined)
        let id = try #require(spool.environmentID)
        #expect(id != former)
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
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: 8 << 20))
        try salvageAroundBadPage(spool)
        let lost = spool.books.ledger.total(.discarded)
        #expect(FileManager.default.fileExists(atPath: directory.spool + "/corrupt.db"))
        while FileManager.default.fileExists(atPath: directory.spool + "/corrupt.db") {
            #expect(spool.books.ledger.total(.discarded) == lost)
            try spool.append(chunks: [Fixtures.chunk(bytes: 100_000)])
        }
        #expect(spool.books.ledger.total(.discarded) == lost)
    }
}

/// What a quarantine meets on its way.
extension QuarantineTests {
    /// As `filled`, and 20 chunks more that are in the WAL alone.
    private func filledFurther() throws -> Spool {
        _ = try filled()
        let spool = spool()
        try spool.opened()
        for seed in 200..<220 { try spool.append(chunks: [Fixtures.chunk(events: 10, bytes: 10_000, seed: seed)]) }
        return spool
    }

    /// All 220 chunks are in the database, and the environment's table, which an open meets, is garbage.
    private func filledAndDamaged() throws {
        try damage("environment", of: filledFurther())
        // What a WAL still holds would be read instead of the garbage.
        unlink(directory.wal)
    }

    @Test(arguments: [1, 2, 3]) func `a kill between the renames of a quarantine loses nothing`(renames: Int) throws {
        _ = try filledFurther()
        for suffix in ["-wal", "-mark", ""].prefix(renames) {
            #expect(rename(directory.database + suffix, directory.spool + "/quarantine.db" + suffix) == 0)
        }
        let spool = spool()
        #expect(spool.open() == .quarantined)
        salvageAll(spool)
        #expect(Set(try spool.claimAll().map(\.chunk.idsDigest)) == Set(0..<220))
        #expect(spool.books.ledger[.spooled, ""] == 2201)
        #expect(spool.books.ledger.total(.discarded) == 0)
        #expect(!spool.books.unknownLosses)
        #expect(spool.books.ledger.imbalance == 0)
    }

    @Test func `what a removal has left of a quarantine is not taken for the WAL of the spool`() throws {
        let former = try filled()
        do {
            let spool = spool()
            try spool.opened()
            try spool.append(chunks: [Fixtures.chunk(events: 10, seed: 200)])
        }
        let stale = directory.spool + "/quarantine.db-wal"
        _ = FileManager.default.createFile(atPath: stale, contents: Data(count: 5000))
        let spool = spool()
        #expect(spool.open() == .resumed)
        #expect(spool.environmentID?.text == former.id)
        #expect(try spool.claimAll().count == 201)
        #expect(!FileManager.default.fileExists(atPath: stale))
    }

    @Test func `a fresh file that a kill or a full disk left without tables is still the successor`() throws {
        let former = try filled()
        for suffix in ["", "-wal", "-mark"] {
            rename(directory.database + suffix, directory.spool + "/quarantine.db" + suffix)
        }
        let disk = try FaultyDisk()
        let spool = Spool(directory: directory.spool, options: world.options(vfs: disk.name))
        disk.fail(.full, write: 3, count: 1000)
        guard case .failed = spool.open() else {
            Issue.record("opened on a full disk")
            return
        }
        #expect(directory.size(directory.database) > 0)
        disk.heal()
        #expect(spool.open() == .quarantined)
        salvageAll(spool)
        #expect(try spool.claimAll().count == 200)
        #expect(spool.books.ledger[.received, ""] == 2004)
        #expect(try spool.metricGroups().map(\.instance).last == former.id)
    }

    @Test(arguments: [SQLITE_IOERR | 1 << 8, SQLITE_NOMEM, SQLITE_BUSY, SQLITE_FULL])
    func `what cannot be read for the moment is neither corrupt nor forgotten`(code: Int32) throws {
        try filledAndDamaged()
        let disk = try FaultyDisk()
        let spool = Spool(directory: directory.spool, options: world.options(vfs: disk.name))
        // Nothing of the quarantined file can be read while the successor is to be made.
        disk.failReads(of: "quarantine.db", code: code)
        let opening = spool.open()
        #expect(!spool.isOpen, "\(opening)")
        disk.heal()
        #expect(spool.open() == .quarantined)
        #expect(spool.books.ledger[.received, ""] == 2204)
        // Nor in the middle of the salvage.
        _ = spool.maintain(nowMs: 0)
        disk.failReads(of: "quarantine.db", code: code)
        for _ in 0..<20 {
            world.advance(1000)
            _ = spool.maintain(nowMs: 0)
        }
        #expect(spool.books.ledger.total(.discarded) == 0)
        #expect(spool.backlog().chunks < 220)
        // Meanwhile the rest of the housekeeping goes on.
        try spool.append(chunks: [Fixtures.chunk(events: 1, seed: 999)])
        disk.heal()
        world.advance(1000)
        salvageAll(spool)
        #expect(try spool.claimAll().count == 221)
        #expect(spool.books.ledger.total(.discarded) == 0)
        #expect(spool.books.ledger.imbalance == 0)
        #expect(world.notices.contains { $0.event == "spool_salvage_postponed" })
    }

    private func setAside() {
        for suffix in ["", "-wal", "-mark"] {
            rename(directory.database + suffix, directory.spool + "/quarantine.db" + suffix)
        }
    }

    @Test func `a salvage takes no room that the function needs, and goes on as soon as there is some`() throws {
        do {
            let spool = spool()
            try spool.opened()
            for seed in 0..<100 { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)]) }
        }
        setAside()
        world.total.store(512 << 20, ordering: .relaxed)
        world.free.store(40 << 20, ordering: .relaxed)
        let spool = spool()
        #expect(spool.open() == .quarantined)
        func files() -> Int { directory.size(directory.database) + directory.size(directory.wal) }
        salvageAll(spool)
        let first = spool.backlog().chunks
        #expect((10..<50).contains(first))
        #expect(files() <= SpaceMeter.floor)
        #expect(world.notices.contains { $0.event == "spool_salvage_postponed" })
        // What is delivered leaves its place to the next.
        try spool.deliver(try spool.claimAll())
        world.advance(1000)
        salvageAll(spool)
        #expect((10..<50).contains(spool.backlog().chunks))
        #expect(files() <= SpaceMeter.floor)
        world.free.store(400 << 20, ordering: .relaxed)
        world.advance(1000)
        salvageAll(spool)
        #expect(spool.backlog().chunks == 100 - first)
        #expect(spool.books.ledger.total(.discarded) == 0)
        #expect(spool.books.ledger.imbalance == 0)
    }

    @Test(arguments: ["events = 7", "lines_length = 10", "lines_crc = 1", "ids_digest = 5"], [false, true])
    func `a chunk whose numbers are damaged is corrupt`(damage: String, isQuarantined: Bool) throws {
        do {
            let spool = spool()
            try spool.opened()
            for seed in 11...13 { try spool.append(chunks: [Fixtures.chunk(events: 10, seed: seed)]) }
        }
        try directory.execute("UPDATE chunks SET \(damage) WHERE id = 2")
        if isQuarantined { setAside() }
        let spool = spool()
        try spool.opened()
        salvageAll(spool)
        #expect(try spool.claimAll().map(\.chunk.idsDigest) == [11, 13])
        #expect(spool.books.ledger[.spooled, ""] == 20)
        #expect(spool.books.ledger.total(.discarded) == 10)
        #expect(
            spool.books.ledger[.discarded, LedgerReason.corrupt] == (damage == "events = 7" && !isQuarantined ? 7 : 10))
        #expect(spool.backlog().total.chunks == 2)
    }

    @Test func `rejects are salvaged a few at a time, and evidence goes when the disk runs short`() throws {
        do {
            let spool = spool()
            try spool.opened()
            for _ in 0..<20 {
                try spool.append(chunks: []) { batch in
                    batch.rejects = (0..<2).map { _ in Fixtures.reject(String(repeating: "x", count: 50_000)) }
                    batch.ledger.add(2, .received)
                    batch.ledger.add(2, .rejected, LedgerReason.document)
                }
            }
        }
        setAside()
        let spool = spool()
        #expect(spool.open() == .quarantined)
        var known: Int64 = 0
        while spool.maintain(nowMs: 0).hasMore {
            let count = try spool.withStore { store throws(SpoolError) in
                try store.connection.integer("SELECT count(*) FROM rejects", during: "test") ?? 0
            }
            #expect(count - known <= 6)
            known = count
        }
        #expect(known == 40)
        #expect(FileManager.default.fileExists(atPath: directory.spool + "/corrupt.db"))
        world.free.store(40 << 20, ordering: .relaxed)
        world.advance(2000)
        _ = spool.maintain(nowMs: 0)
        #expect(!FileManager.default.fileExists(atPath: directory.spool + "/corrupt.db"))
    }

    enum Deletion: CaseIterable {
        case spool, quarantined, everything
    }

    @Test(arguments: Deletion.allCases, [false, true])
    func `a deletion in the middle of a salvage loses nothing of it`(deletion: Deletion, isKilled: Bool) throws {
        try filledAndDamaged()
        var spool = spool()
        #expect(spool.open() == .quarantined)
        // Before the first slice, and after some.
        for round in 0..<3 {
            if deletion != .quarantined {
                for suffix in ["", "-wal", "-mark"] { unlink(directory.database + suffix) }
            }
            if deletion != .spool {
                for suffix in ["", "-wal", "-mark"] { unlink(directory.spool + "/quarantine.db" + suffix) }
            }
            if deletion == .everything { try FileManager.default.removeItem(atPath: directory.spool) }
            spool.verifyFile(nowMs: Int64(round))
            if isKilled {
                spool = Spool(directory: try directory.copyOfSpool(), options: world.options())
                #expect(spool.open() == .resumed)
                if round == 0 { break }
            }
            _ = spool.maintain(nowMs: 0)
        }
        salvageAll(spool)
        #expect(Set(try spool.claimAll().map(\.chunk.idsDigest)) == Set(0..<220))
        #expect(spool.books.ledger.total(.discarded) == 0)
        #expect(spool.books.ledger[.spooled, ""] == 2201)
        #expect(!world.notices.contains { $0.event == "recount" })
    }

    /// Garbage over a table of an open spool, all of which is in the database.
    private func damage(_ table: String, of spool: Spool) throws {
        let pages = try spool.withStore { store throws(SpoolError) in
            try store.checkpoint()
            var pages: [Int] = []
            try store.connection.query(
                "SELECT pageno FROM dbstat WHERE name = ?", [.text(table)], during: "test"
            ) {
                pages.append($0.int(0)); return true
            }
            return pages
        }
        for page in pages {
            try directory.overwrite(
                directory.database, at: (page - 1) * 4096, with: [UInt8](repeating: 0xff, count: 4096))
        }
    }

    @Test func `metrics of former instances outlive a second quarantine that cannot read them`() throws {
        let first = try filled()
        let spool = spool()
        try salvageAroundBadPage(spool)
        try spool.append(chunks: [Fixtures.chunk(events: 4)]) {
            $0.observations = [Observation(family: "f_seconds", value: 7)]
        }
        let second = try #require(spool.environmentID?.text)
        let before = try spool.metricGroups()
        for table in ["series", "counters", "carried", "chunks"] { try damage(table, of: spool) }
        #expect(throws: SpoolError.corrupt) { try spool.claimAll() }
        salvageAll(spool)
        let groups = try spool.metricGroups()
        #expect(groups.map(\.instance) == [spool.environmentID?.text, first.id, second])
        #expect(groups[0].summaries.isEmpty)
        #expect(groups[0].ledger[.received, ""] == 0)
        #expect(groups[1].summaries == before[1].summaries)
        #expect(groups[1].counters == before[1].counters)
        #expect(groups[1].ledger == before[1].ledger)
        #expect(groups[2].summaries.map(\.sketch.sum) == [7])
        #expect(groups[2].ledger[.received, ""] == 4)
        // In the tables too, and after the function has emptied the directory.
        try FileManager.default.removeItem(atPath: directory.spool)
        spool.verifyFile(nowMs: 0)
        let successor = Spool(directory: try directory.copyOfSpool(), options: world.options())
        try successor.opened()
        #expect(try successor.metricGroups().dropFirst() == groups.dropFirst())
        try successor.markPushed(instance: first.id)
        #expect(try successor.metricGroups().map(\.instance).dropFirst() == [second])
        #expect(try successor.metricGroups()[0].ledger[.received, ""] == 0)
    }

    @Test(arguments: [
        "UPDATE ledger SET events = 9223372036854775807 WHERE outcome = 'received'",
        "UPDATE ledger SET events = -5 WHERE outcome = 'spooled'",
        "UPDATE environment SET next_chunk = 9223372036854775807", "UPDATE environment SET events = -1",
        "UPDATE environment SET next_number = -1", "UPDATE environment SET platform_dropped = -9223372036854775808",
        "UPDATE chunks SET events = 9223372036854775807", "UPDATE chunks SET events = -9223372036854775808",
        "UPDATE chunks SET lines_length = 9223372036854775807, created_ms = -9223372036854775808",
        "UPDATE chunks SET priority = 9223372036854775807", "UPDATE bodies SET events = 9223372036854775807",
        "UPDATE counters SET count = 9223372036854775807", "UPDATE held_parts SET parts = -9223372036854775808",
        "UPDATE chunks SET id = 9223372036854775807 WHERE id = (SELECT max(id) FROM chunks)",
        "UPDATE rejects SET id = 9223372036854775807",
    ])
    func `numbers that cannot be stop nothing`(sql: String) throws {
        _ = try filled()
        try directory.execute(sql)
        // Once as they are, and once through a salvage.
        for isQuarantined in [false, true] {
            let spool = spool()
            if isQuarantined {
                for suffix in ["", "-wal", "-mark"] {
                    rename(directory.database + suffix, directory.spool + "/quarantine.db" + suffix)
                }
            }
            try spool.opened()
            salvageAll(spool)
            _ = try? spool.append(chunks: [Fixtures.chunk(events: 3)]) {
                $0.counters = [CounterIncrement(family: CounterIncrement.platformDropped, count: 1)]
            }
            #expect(spool.backlog().chunks > 0)
            _ = try? spool.deliver(try spool.claimAll())
            salvageAll(spool)
            #expect(spool.isOpen)
            #expect(try !spool.metricGroups().isEmpty)
        }
    }
}

extension Spool {
    func withStoreForTest<Result: Sendable>(_ body: @Sendable (SpoolStore) -> Result) -> Result {
        guard let result = try? withStore({ store in body(store) }) else { fatalError("The spool is not open.") }
        return result
    }
}
