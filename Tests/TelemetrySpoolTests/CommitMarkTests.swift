import Foundation
import TelemetryModel
import Testing

@testable import TelemetrySpool

/// SQLite passes over a bad WAL in silence: what was committed and is not there any more is noticed, and nothing else.
@Suite struct CommitMarkTests {
    let directory = TemporaryDirectory()
    let world = World()

    private func successor(of path: String) throws -> Spool {
        let spool = Spool(directory: path, options: world.options())
        #expect(spool.open() == .resumed)
        return spool
    }

    /// A spool whose WAL holds the last commits, and what its files were at each of them.
    private func written(vfs: String? = nil) throws -> Spool {
        let spool = Spool(directory: directory.spool, options: world.options(vfs: vfs))
        try spool.opened()
        for seed in 0..<5 { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 30_000, seed: seed)]) }
        return spool
    }

    @Test(arguments: FaultyDisk.Fault.allCases)
    func `a commit that fails at any of its writes is no loss, with others after it or without`(
        fault: FaultyDisk.Fault
    ) throws {
        for write in 1...30 {
            let directory = TemporaryDirectory()
            let disk = try FaultyDisk()
            let spool = Spool(directory: directory.spool, options: world.options(vfs: disk.name))
            try spool.opened()
            try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 30_000, seed: 1)])
            disk.fail(fault, write: write, count: 1000)
            #expect(throws: SpoolError.self) {
                try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 60_000, seed: 2)])
            }
            disk.heal()
            let torn = try successor(of: try directory.copyOfSpool())
            #expect(!torn.books.unknownLosses, "\(fault) at write \(write)")
            // Shorter than what failed, so that its remains lie behind it.
            try spool.append(chunks: [])
            let covered = try successor(of: try directory.copyOfSpool())
            #expect(!covered.books.unknownLosses, "\(fault) at write \(write)")
            #expect(try covered.claimAll().count == 1)
        }
        #expect(world.notices.allSatisfy { $0.event != "spool_commits_lost" })
    }

    @Test func `a commit that a kill cuts in two is no loss`() throws {
        let spool = try written()
        let frames = spool.withStoreForTest { $0.connection.framesInWAL }
        let before = try Data(contentsOf: URL(fileURLWithPath: directory.wal))
        let mark = try Data(contentsOf: URL(fileURLWithPath: directory.database + "-mark"))
        try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 30_000, seed: 9)])
        let after = try Data(contentsOf: URL(fileURLWithPath: directory.wal))
        let start = 32 + frames * SpoolSchema.frameSize
        let end = 32 + spool.withStoreForTest { $0.connection.framesInWAL } * SpoolSchema.frameSize
        // Right behind the header of each frame too.
        for cut in stride(from: start, through: end, by: SpoolSchema.frameSize).flatMap({ [$0, $0 + 24, $0 + 2000] }) {
            let cut = min(cut, end)
            let copy = try directory.copyOfSpool()
            try (after[..<cut] + before[cut...]).write(to: URL(fileURLWithPath: copy + "/spool.db-wal"))
            try mark.write(to: URL(fileURLWithPath: copy + "/spool.db-mark"))
            let successor = try successor(of: copy)
            #expect(!successor.books.unknownLosses, "cut at \(cut)")
            #expect(try successor.claimAll().count == (cut == end ? 6 : 5))
        }
    }

    @Test func `a bad byte anywhere in what was committed is a loss`() throws {
        let spool = try written()
        let frames = spool.withStoreForTest { $0.connection.framesInWAL }
        for frame in 0..<frames {
            // In its header, and in its page; the last frame is the last commit's own.
            for offset in [5, 9, 17, 24 + 1000] {
                let copy = try directory.copyOfSpool()
                let position = 32 + frame * SpoolSchema.frameSize + offset
                let byte = try Data(contentsOf: URL(fileURLWithPath: copy + "/spool.db-wal"))[position]
                try directory.overwrite(copy + "/spool.db-wal", at: position, with: [byte ^ 0x10])
                #expect(Spool.lossesAreUnknown(copy, world), "frame \(frame) offset \(offset)")
            }
        }
        for offset in [0, 9, 17, 25] {
            let copy = try directory.copyOfSpool()
            try directory.overwrite(copy + "/spool.db-wal", at: offset, with: [0xee])
            #expect(Spool.lossesAreUnknown(copy, world), "header \(offset)")
        }
    }

    @Test func `a WAL that was cut or deleted is a loss, unless all of it had been copied`() throws {
        let spool = try written()
        for length in [0, 32, 5000] {
            let copy = try directory.copyOfSpool()
            truncate(copy + "/spool.db-wal", off_t(length))
            #expect(Spool.lossesAreUnknown(copy, world))
        }
        let deleted = try directory.copyOfSpool()
        unlink(deleted + "/spool.db-wal")
        #expect(Spool.lossesAreUnknown(deleted, world))

        try spool.withStore { store throws(SpoolError) in try store.checkpoint() }
        let copied = try directory.copyOfSpool()
        unlink(copied + "/spool.db-wal")
        let successor = try successor(of: copied)
        #expect(!successor.books.unknownLosses)
        #expect(try successor.claimAll().count == 5)
    }

    @Test func `a loss is noticed on a full disk too`() throws {
        do {
            let spool = try written()
            try spool.withStore { store throws(SpoolError) in try store.checkpoint() }
            try spool.append(chunks: [Fixtures.chunk(seed: 77)])
        }
        try directory.overwrite(directory.wal, at: 32 + 24, with: [1, 2, 3])
        let disk = try FaultyDisk()
        disk.fail(.full, write: 1, count: 1_000_000)
        let spool = Spool(directory: directory.spool, options: world.options(vfs: disk.name))
        try spool.opened()
        #expect(spool.books.unknownLosses)
        disk.heal()
        try spool.append(chunks: [Fixtures.chunk()])
        #expect(try successor(of: try directory.copyOfSpool()).books.unknownLosses)
    }
}

extension Spool {
    /// What a process says that finds these files.
    fileprivate static func lossesAreUnknown(_ path: String, _ world: World) -> Bool {
        let spool = Spool(directory: path, options: world.options())
        _ = spool.open()
        return spool.isOpen && spool.books.unknownLosses
    }
}
