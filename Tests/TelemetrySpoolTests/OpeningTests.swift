import CSQLite
import Foundation
import TelemetryModel
import Testing

@testable import TelemetrySpool

/// A bad spool never stops a start.
@Suite struct OpeningTests {
    let directory = TemporaryDirectory()
    let world = World()

    private func spool() -> Spool { Spool(directory: directory.spool, options: world.options()) }

    @Test func `the directory and its parents are made, for this user alone`() throws {
        let path = directory.path + "/a/b/c"
        let spool = Spool(directory: path, options: world.options())
        #expect(!spool.isOpen)
        #expect(spool.open() == .fresh)
        #expect(spool.isOpen)
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o700)
    }

    @Test func `before the open nothing is accepted`() throws {
        let spool = spool()
        #expect(throws: SpoolError.notOpen) { try spool.beginAppend() }
        #expect(throws: SpoolError.notOpen) { try spool.claimAll() }
        #expect(spool.recall(Fixtures.body(1).digest) == nil)
        #expect(spool.backlog() == Backlog())
        #expect(!FileManager.default.fileExists(atPath: directory.spool))
    }

    @Test func `a directory in place of the file is left alone, and another file is used`() throws {
        try FileManager.default.createDirectory(atPath: directory.database, withIntermediateDirectories: true)
        do {
            let spool = spool()
            #expect(spool.open() == .fresh)
            try spool.append(chunks: [Fixtures.chunk()])
        }
        #expect(world.notices.map(\.event) == ["spool_name_taken"])
        #expect(FileManager.default.fileExists(atPath: directory.spool + "/spool-1.db"))
        // Also once its own name is free: what it holds is nowhere else.
        for _ in 0..<2 {
            let successor = spool()
            #expect(successor.open() == .resumed)
            #expect(try successor.claimAll().count == 1)
            #expect(try SpoolReader.copying(spoolAt: directory.spool).summary().spooled.chunks == 1)
            rmdir(directory.database)
        }
        #expect(!FileManager.default.fileExists(atPath: directory.database))
    }

    @Test func `directories in place of all files fail until one is gone`() throws {
        for name in Spool.fileNames {
            try FileManager.default.createDirectory(
                atPath: directory.spool + "/" + name, withIntermediateDirectories: true)
        }
        let spool = spool()
        guard case .failed(let reason) = spool.open() else {
            Issue.record("opened a directory")
            return
        }
        #expect(reason.contains("remove"))
        try FileManager.default.removeItem(atPath: directory.database)
        #expect(spool.open() == .fresh)
    }

    @Test func `a file in place of the directory fails until it is gone`() throws {
        _ = FileManager.default.createFile(atPath: directory.spool, contents: nil)
        let spool = spool()
        guard case .failed(let reason) = spool.open() else {
            Issue.record("opened below a file")
            return
        }
        #expect(reason.contains("PERMAFROST_SPOOL_DIR"))
        try FileManager.default.removeItem(atPath: directory.spool)
        #expect(spool.open() == .fresh)
    }

    @Test(.enabled(if: geteuid() != 0, "root may write everywhere"))
    func `no permission fails until there is`() throws {
        try FileManager.default.createDirectory(atPath: directory.spool, withIntermediateDirectories: true)
        chmod(directory.spool, 0o500)
        let spool = spool()
        guard case .failed = spool.open() else {
            Issue.record("opened without permission")
            return
        }
        chmod(directory.spool, 0o700)
        #expect(spool.open() == .fresh)
    }

    @Test func `a zero-length file is made anew`() throws {
        try FileManager.default.createDirectory(atPath: directory.spool, withIntermediateDirectories: true)
        _ = FileManager.default.createFile(atPath: directory.database, contents: nil)
        let spool = spool()
        #expect(spool.open() == .fresh)
        #expect(!spool.books.unknownLosses)
        try spool.append(chunks: [Fixtures.chunk()])
    }

    @Test func `a file cut to nothing beside a WAL with commits is made anew, and its losses are unknown`() throws {
        do {
            try {
                try $0.opened(); try $0.append(chunks: [Fixtures.chunk()])
            }(spool())
        }
        truncate(directory.database, 0)
        let spool = spool()
        #expect(spool.open() == .fresh)
        #expect(spool.books.unknownLosses)
    }

    @Test func `a spool of a newer version is left alone, and another file is used`() throws {
        do {
            try {
                try $0.opened(); try $0.append(chunks: [Fixtures.chunk()])
            }(spool())
        }
        try directory.execute("PRAGMA user_version = 99")
        try directory.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        let before = try Data(contentsOf: URL(fileURLWithPath: directory.database))
        do {
            let spool = spool()
            #expect(spool.open() == .fresh)
            try spool.append(chunks: [Fixtures.chunk()])
            #expect(FileManager.default.fileExists(atPath: directory.spool + "/spool-1.db"))
        }
        #expect(spool().open() == .resumed)
        #expect(try Data(contentsOf: URL(fileURLWithPath: directory.database)) == before)
    }

    @Test(arguments: ["PRAGMA user_version = 99", "PRAGMA application_id = 77", "DROP TABLE environment"])
    func `a spool of a newer version is left alone when only its WAL says so`(change: String) throws {
        do {
            try {
                try $0.opened(); try $0.append(chunks: [Fixtures.chunk()])
            }(spool())
        }
        try directory.execute(change)
        try directory.execute("PRAGMA user_version = 99")
        let files = [directory.database, directory.wal].map { URL(fileURLWithPath: $0) }
        let before = try files.map { try Data(contentsOf: $0) }
        #expect((before[0][60..<64] + before[0][68..<72]).allSatisfy { $0 == 0 })
        #expect(spool().open() == .fresh)
        #expect(spool().open() == .resumed)
        #expect(try files.map { try Data(contentsOf: $0) } == before)
        #expect(FileManager.default.fileExists(atPath: directory.spool + "/spool-1.db"))
        #expect(!FileManager.default.fileExists(atPath: directory.spool + "/quarantine.db"))
    }

    @Test(arguments: [Int64(0), 77])
    func `a database of somebody else is left alone`(applicationID: Int64) throws {
        try FileManager.default.createDirectory(atPath: directory.spool, withIntermediateDirectories: true)
        do {
            let connection = try Connection(path: directory.database, access: .readWrite, vfs: nil)
            try connection.run("CREATE TABLE theirs (a)", during: "test")
            try connection.run("PRAGMA application_id = \(applicationID)", during: "test")
        }
        let before = try Data(contentsOf: URL(fileURLWithPath: directory.database))
        #expect(spool().open() == .fresh)
        #expect(try Data(contentsOf: URL(fileURLWithPath: directory.database)) == before)
        #expect(FileManager.default.fileExists(atPath: directory.spool + "/spool-1.db"))
    }

    @Test func `a predecessor that still holds the file is waited out`() throws {
        do { _ = spool().open() }
        // Another process, for POSIX locks do not exclude one's own. Python is what makes SQLite speak from outside.
        let holder = Process()
        holder.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        holder.arguments = [
            "python3", "-c",
            """
            import sqlite3, sys
            c = sqlite3.connect(sys.argv[1], isolation_level=None)
            c.execute('PRAGMA locking_mode = EXCLUSIVE')
            c.execute('BEGIN IMMEDIATE'); c.execute('UPDATE environment SET id = id'); c.execute('COMMIT')
            print('held', flush=True)
            sys.stdin.read()
            """, directory.database,
        ]
        let output = Pipe()
        let input = Pipe()
        holder.standardOutput = output
        holder.standardInput = input
        try holder.run()
        _ = output.fileHandleForReading.readData(ofLength: 5)
        let spool = spool()
        #expect(spool.open() == .waiting)
        #expect(spool.open() == .waiting)
        try input.fileHandleForWriting.close()
        holder.waitUntilExit()
        #expect(spool.open() == .resumed)
    }

    @Test func `a connection whose transaction cannot be ended gives way to one that holds the file alone`() throws {
        let spool = spool()
        try spool.opened()
        try spool.append(chunks: [Fixtures.chunk(seed: 1)])
        let id = spool.environmentID
        spool.withStoreForTest { $0.isBroken = true }
        #expect(spool.isOpen)
        #expect(spool.environmentID == id)
        try spool.append(chunks: [Fixtures.chunk(seed: 2)])
        #expect(try spool.claimAll().map(\.chunk.idsDigest) == [1, 2])
        let other = Process()
        other.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        other.arguments = [
            "python3", "-c",
            """
            import sqlite3, sys
            try: sqlite3.connect(sys.argv[1], timeout=0).execute('SELECT count(*) FROM chunks').fetchall()
            except sqlite3.OperationalError as error: print(error)
            """, directory.database,
        ]
        let output = Pipe()
        other.standardOutput = output
        try other.run()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        other.waitUntilExit()
        #expect(String(decoding: said, as: UTF8.self) == "database is locked\n")
    }

    @Test func `opening takes the same time whatever the backlog`() throws {
        func openingTime(_ path: String) throws -> Duration {
            var best = Duration.seconds(100)
            for _ in 0..<5 {
                let spool = Spool(directory: path, options: world.options(maximumBytes: 2 << 30))
                best = min(best, try ContinuousClock().measure { try spool.opened() })
            }
            return best
        }
        let small = directory.path + "/small"
        let large = directory.path + "/large"
        for (path, count) in [(small, 10), (large, 310)] {
            let spool = Spool(directory: path, options: world.options(maximumBytes: 2 << 30))
            try spool.opened()
            let chunk = Fixtures.chunk(bytes: 1 << 20)
            for _ in 0..<count { try spool.append(chunks: [chunk]); _ = spool.maintain(nowMs: 0) }
            // What lies in the WAL is read at an open, whatever the backlog.
            try spool.withStore { store throws(SpoolError) in try store.checkpoint() }
            try spool.append(chunks: [])
        }
        #expect(directory.size(large + "/spool.db") > 300 << 20)
        let times = (try openingTime(small), try openingTime(large))
        #expect(times.1 < times.0 * 3 + .milliseconds(20))
    }
}
