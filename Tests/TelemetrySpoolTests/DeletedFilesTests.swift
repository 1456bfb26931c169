import Foundation
import TelemetryModel
import TelemetrySpool
import Testing

/// The function deletes our files while we run: everything acknowledged is carried over.
@Suite struct DeletedFilesTests {
    enum Deletion: CaseIterable {
        case database, wal, both, directory, replacedByText, replacedByEmpty
    }

    let directory = TemporaryDirectory()
    let world = World()

    private func delete(_ what: Deletion) throws {
        switch what {
        case .database: unlink(directory.database)
        case .wal: unlink(directory.wal)
        case .both:
            unlink(directory.database)
            unlink(directory.wal)
        case .directory: try FileManager.default.removeItem(atPath: directory.spool)
        case .replacedByText, .replacedByEmpty:
            unlink(directory.database)
            let text = Data((what == .replacedByText ? "somebody's text" : "").utf8)
            _ = FileManager.default.createFile(atPath: directory.database, contents: text)
        }
    }

    @Test(arguments: Deletion.allCases)
    func `everything acknowledged is carried over into a new file`(deletion: Deletion) throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        let id = spool.environmentID
        for seed in 0..<40 { try spool.append(chunks: [Fixtures.chunk(events: 2, bytes: 50_000, seed: seed)]) }
        _ = spool.maintain(nowMs: 0)
        // Some of it lies in the WAL alone.
        for seed in 40..<50 { try spool.append(chunks: [Fixtures.chunk(events: 2, bytes: 50_000, seed: seed)]) }
        let claimed = try spool.claim(.oldestFirst, maximumBytes: 1 << 20, maximumChunks: 3, nowMs: 0)
        try delete(deletion)
        world.advance(200)
        try spool.append(chunks: [Fixtures.chunk(events: 2, seed: 50)])
        #expect(world.notices.map(\.event) == ["spool_relocated"])
        #expect(spool.environmentID == id)
        // Claims outlive it.
        #expect(try spool.deliver(claimed) == .settled(SettledCounts(chunks: 3, delivered: 6)))

        let successor = Spool(directory: try directory.copyOfSpool(), options: world.options())
        #expect(successor.open() == .resumed)
        #expect(successor.environmentID == id)
        #expect(successor.books.ledger == spool.books.ledger)
        #expect(try successor.claimAll().map(\.chunk.idsDigest) == (3...50).map { UInt64($0) })
        while successor.maintain(nowMs: 0).hasMore {}
        #expect(successor.books.ledger.total(.discarded) == 0)
        #expect(directory.size(directory.wal) >= 1 << 20)
    }

    @Test func `the files are looked at every 100 ms at most, and at every call of verifyFile`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        try spool.append(chunks: [Fixtures.chunk()])
        try delete(.both)
        world.advance(99)
        try spool.append(chunks: [Fixtures.chunk()])
        #expect(world.notices.isEmpty)
        spool.verifyFile(nowMs: 0)
        #expect(world.notices.count == 1)
        #expect(FileManager.default.fileExists(atPath: directory.database))
    }

    @Test func `when the copy fails the old files go on, and the copy is tried again`() throws {
        let disk = try FaultyDisk()
        let spool = Spool(directory: directory.spool, options: world.options(vfs: disk.name))
        try spool.opened()
        try spool.append(chunks: [Fixtures.chunk(seed: 1)])
        try delete(.both)
        disk.fail(.full, write: 1, count: 5)
        spool.verifyFile(nowMs: 5000)
        #expect(world.notices.map(\.event) == ["spool_relocation_failed"])
        disk.heal()
        try spool.append(chunks: [Fixtures.chunk(seed: 2)])
        spool.verifyFile(nowMs: 5500)
        #expect(world.notices.count == 1)
        spool.verifyFile(nowMs: 6000)
        #expect(world.notices.map(\.event) == ["spool_relocation_failed", "spool_relocated"])
        let successor = Spool(directory: try directory.copyOfSpool(), options: world.options())
        try successor.opened()
        #expect(try successor.claimAll().map(\.chunk.idsDigest) == [1, 2])
    }

    @Test(arguments: [
        nil, "somebody's text, as long as the header of a database would be: \(String(repeating: "x", count: 100))",
    ])
    func `a copy that vanishes before it is opened leaves the old files in use`(replacement: String?) throws {
        let disk = try FaultyDisk()
        let spool = Spool(directory: directory.spool, options: world.options(vfs: disk.name))
        try spool.opened()
        let id = spool.environmentID
        try spool.append(chunks: [Fixtures.chunk(seed: 1)])
        try delete(.both)
        disk.replaceAtOpen(directory.database, with: replacement)
        spool.verifyFile(nowMs: 5000)
        #expect(world.notices.map(\.event) == ["spool_relocation_failed"])
        try spool.append(chunks: [Fixtures.chunk(seed: 2)])
        spool.verifyFile(nowMs: 6000)
        #expect(world.notices.map(\.event) == ["spool_relocation_failed", "spool_relocated"])
        #expect(spool.environmentID == id)
        let successor = Spool(directory: try directory.copyOfSpool(), options: world.options())
        #expect(successor.open() == .resumed)
        #expect(try successor.claimAll().map(\.chunk.idsDigest) == [1, 2])
    }

    @Test func `a copy that was complete when the process was killed is used`() throws {
        do {
            let spool = Spool(directory: directory.spool, options: world.options())
            try spool.opened()
            try spool.append(chunks: [Fixtures.chunk(seed: 1)])
        }
        try directory.execute("VACUUM INTO '\(directory.database)-copied'")
        unlink(directory.database)
        _ = FileManager.default.createFile(atPath: directory.database + "-part", contents: Data("half".utf8))
        let spool = Spool(directory: directory.spool, options: world.options())
        #expect(spool.open() == .resumed)
        #expect(try spool.claimAll().map(\.chunk.idsDigest) == [1])
        #expect(!FileManager.default.fileExists(atPath: directory.database + "-part"))
        #expect(!FileManager.default.fileExists(atPath: directory.database + "-copied"))
    }
}

extension DeletedFilesTests {
    @Test func `deleted files that are damaged as well are salvaged into a new one`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        let id = spool.environmentID
        for seed in 0..<200 { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 20_000, seed: seed)]) }
        while spool.maintain(nowMs: 0).hasMore {}
        try directory.overwrite(directory.database, at: 300 * 4096, with: [UInt8](repeating: 0x5a, count: 400 * 4096))
        try delete(.both)
        spool.verifyFile(nowMs: 0)
        while spool.maintain(nowMs: 0).hasMore {}
        #expect(spool.environmentID != id)
        let left = try spool.claimAll()
        #expect(left.count > 80)
        #expect(spool.books.ledger[.received, ""] == 200)
        #expect(spool.books.ledger[.spooled, ""] == left.count)
        #expect(spool.books.ledger[.discarded, LedgerReason.corrupt] == 200 - left.count)
        #expect(FileManager.default.fileExists(atPath: directory.database))
        // The new one is looked after like any other, at once.
        try delete(.both)
        spool.verifyFile(nowMs: 100)
        #expect(FileManager.default.fileExists(atPath: directory.database))
    }
}
