import CSQLite
import Foundation
import TelemetryModel
import Testing

@testable import TelemetrySpool

/// What the command line sees, on a copy, while the spool is in use.
@Suite struct SpoolReaderTests {
    let directory = TemporaryDirectory()
    let world = World()

    @Test func `a copy of a spool in use shows its numbers, rejects and chunks, and removes itself`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        for seed in 0..<3 {
            try spool.append(chunks: [Fixtures.chunk(events: 2, seed: seed)]) { batch in
                batch.rejects = [Fixtures.reject("{\"n\":\(seed)}", reason: LedgerReason.unreadable)]
                batch.ledger.add(1, .received)
                batch.ledger.add(1, .rejected, LedgerReason.unreadable)
            }
        }
        do {
            let reader = try SpoolReader(copying: directory.spool, scratch: directory.path)
            let summary = try reader.summary()
            #expect(summary.environmentID == spool.environmentID)
            #expect(summary.ledger == spool.books.ledger)
            #expect(summary.spooled == ChunkSums(chunks: 3, events: 6, bytes: 15_000))
            #expect(summary.rejects == 3)
            #expect(summary.oldestMs == 1_700_000_000_000)
            let first = try reader.rejects(count: 2)
            let rest = try reader.rejects(after: try #require(first.last?.id), count: 2)
            #expect(
                (first + rest).map { String(decoding: $0.document.content, as: UTF8.self) }
                    == ["{\"n\":0}", "{\"n\":1}", "{\"n\":2}"])
            #expect(try reader.chunks(count: 10).map(\.chunk.idsDigest) == [0, 1, 2])
            // The live spool goes on, and what comes now is not in the copy.
            try spool.append(chunks: [Fixtures.chunk(events: 2, seed: 3)])
            #expect(try reader.chunks(after: 3, count: 10).isEmpty)
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(left == ["spool"])
    }

    @Test func `a WAL that cannot be copied is an error, for without it the spool would look older`() throws {
        do {
            let spool = Spool(directory: directory.spool, options: world.options())
            try spool.opened()
            try spool.append(chunks: [Fixtures.chunk()])
        }
        unlink(directory.wal)
        try FileManager.default.createDirectory(atPath: directory.wal, withIntermediateDirectories: false)
        #expect(throws: SpoolError.io(code: SQLITE_CANTOPEN, during: "copy")) {
            try SpoolReader(copying: directory.spool, scratch: directory.path)
        }
    }

    @Test func `a spool that changes whenever it is copied is busy`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        try spool.append(chunks: [Fixtures.chunk()])
        let copy = directory.path + "/copy.db"
        var copies = 0
        func change(upTo count: Int) throws {
            copies = 0
            try SpoolReader.copyPair(of: directory.database, to: copy) { source, target in
                let isCopied = SpoolFile.copy(source, to: target)
                if source == directory.wal {
                    copies += 1
                    if copies <= count {
                        try? directory.overwrite(directory.wal, at: 16, with: [UInt8(copies)])
                    }
                }
                return isCopied
            }
        }
        #expect(throws: SpoolError.busy) { try change(upTo: 5) }
        #expect(copies == 5)
        try change(upTo: 4)
        #expect(copies == 5)
        try change(upTo: 0)
        #expect(copies == 1)
    }

    @Test func `what is no spool is refused`() throws {
        try FileManager.default.createDirectory(atPath: directory.spool, withIntermediateDirectories: true)
        #expect(throws: SpoolError.self) { try SpoolReader(copying: directory.spool, scratch: directory.path) }
        _ = FileManager.default.createFile(atPath: directory.database, contents: Data("no database".utf8))
        #expect(throws: SpoolError.self) { try SpoolReader(copying: directory.spool, scratch: directory.path) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["spool"])
    }
}
