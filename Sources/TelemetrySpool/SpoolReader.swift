import CSQLite
import Glibc
package import TelemetryModel

/// A document among the rejects.
package struct StoredReject: Equatable, Sendable {
    package var id: Int64
    /// Milliseconds since 1970.
    package var createdMs: Int64
    package var document: RejectedDocument
}

/// What a spool holds, in numbers.
package struct SpoolSummary: Equatable, Sendable {
    package var environmentID: EnvironmentID?
    package var ledger = Ledger()
    package var platformDropped = 0
    package var unknownLosses = false
    /// Chunks, their events and uncompressed bytes.
    package var spooled = ChunkSums()
    /// Those of them that wait for a retry.
    package var waiting = ChunkSums()
    package var heldParts = 0
    package var rejects = 0
    /// Milliseconds since 1970, nil without chunks.
    package var oldestMs: Int64?
}

/// Reads a spool for the command line: always a copy that it makes itself and removes at the end, never the files of a
/// process that may be running.
package final class SpoolReader {
    let connection: Connection
    private let directory: String

    /// - Parameters:
    ///   - path: the spool's directory, or one database file.
    ///   - scratch: an existing directory with room for the copy.
    package init(copying path: String, scratch: String = "/tmp") throws(SpoolError) {
        var status = stat()
        let isDirectory = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        let source = isDirectory ? path + "/" + Spool.fileNames[0] : path
        var template = Array((scratch + "/permafrost-inspect-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw .io(code: Int32(errno), during: "copy") }
        let directory = String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        do throws(SpoolError) {
            self.connection = try Self.open(copyOf: source, in: directory)
        } catch {
            Self.remove(directory)
            throw error
        }
        self.directory = directory
    }

    deinit {
        Self.remove(directory)
    }

    private static func open(copyOf source: String, in directory: String) throws(SpoolError) -> Connection {
        let copy = directory + "/spool.db"
        try copyPair(of: source, to: copy)
        let connection = try Connection(path: copy, access: .readWrite, vfs: nil)
        try connection.run("PRAGMA locking_mode = EXCLUSIVE", during: "open")
        guard try connection.integer("PRAGMA application_id", during: "open") == SpoolSchema.applicationID,
            try connection.integer("PRAGMA user_version", during: "open") == SpoolSchema.version
        else { throw .internal("not_a_spool") }
        return connection
    }

    /// Copies a database and its WAL as they were at one moment.
    static func copyPair(
        of source: String, to copy: String, with copyFile: (String, String) -> Bool = SpoolFile.copy(_:to:)
    ) throws(SpoolError) {
        // A WAL that starts again between the two copies would leave them at odds: then once more.
        for _ in 0..<5 {
            let before = SpoolFile.head(of: source + "-wal", count: 32)
            guard copyFile(source, copy) else { throw .io(code: SQLITE_CANTOPEN, during: "copy") }
            unlink(copy + "-wal")
            if QuarantineFiles.exists(source + "-wal"), !copyFile(source + "-wal", copy + "-wal") {
                throw .io(code: SQLITE_CANTOPEN, during: "copy")
            }
            if SpoolFile.head(of: source + "-wal", count: 32) == before { return }
        }
        throw .busy
    }

    private static func remove(_ directory: String) {
        QuarantineFiles.remove(directory + "/spool.db")
        rmdir(directory)
    }

    package func summary() throws(SpoolError) -> SpoolSummary {
        guard let row = try EnvironmentRow.load(from: connection) else { throw .corrupt }
        var summary = SpoolSummary()
        summary.environmentID = row.environmentID
        summary.ledger = try Ledger.load(from: connection)
        summary.platformDropped = row.platformDropped
        summary.unknownLosses = row.unknownLosses
        summary.spooled = row.total
        summary.waiting = row.waiting
        summary.heldParts = Int(try connection.integer("SELECT count(*) FROM held_parts", during: "inspect") ?? 0)
        summary.rejects = Int(try connection.integer("SELECT count(*) FROM rejects", during: "inspect") ?? 0)
        summary.oldestMs = try connection.integer("SELECT min(created_ms) FROM chunks", during: "inspect")
        return summary
    }

    /// Rejects with an id above `id`, oldest first, at most `count`: pass the last id on to go through all.
    package func rejects(after id: Int64 = 0, count: Int) throws(SpoolError) -> [StoredReject] {
        var found: [StoredReject] = []
        try connection.query(
            """
            SELECT document_id, index_name, status, reason, error_type, error_reason, content, created_ms, id
            FROM rejects WHERE id > ? ORDER BY id LIMIT ?
            """, [.integer(id), .integer(count)], during: "inspect"
        ) { row in
            found.append(
                StoredReject(id: row.integer(8), createdMs: row.integer(7), document: RejectedDocument(row)))
            return true
        }
        return found
    }

    /// Chunks with an id above `id`, in the order they came in, at most `count`. Their CRC is the caller's to check.
    package func chunks(after id: Int64 = 0, count: Int) throws(SpoolError) -> [StoredChunk] {
        var found: [StoredChunk] = []
        try connection.query(
            """
            SELECT created_ms, priority, events, lines_length, attempts, stored_crc, lines_crc, ids_digest, indices,
                stored, id
            FROM chunks WHERE id > ? ORDER BY id LIMIT ?
            """, [.integer(id), .integer(count)], during: "inspect"
        ) { row in
            found.append(StoredChunk(row, id: row.integer(10)))
            return true
        }
        return found
    }
}

extension SpoolFile {
    /// Copies a file. False when it cannot be read or written.
    static func copy(_ source: String, to target: String) -> Bool {
        let from = Glibc.open(source, O_RDONLY | O_CLOEXEC)
        guard from >= 0 else { return false }
        defer { close(from) }
        return copy(from, to: target)
    }

    static func copy(_ from: Int32, to target: String) -> Bool {
        let to = Glibc.open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard to >= 0 else { return false }
        defer { close(to) }
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var offset = 0
        while true {
            let got = buffer.withUnsafeMutableBytes { pread(from, $0.baseAddress, $0.count, off_t(offset)) }
            guard got > 0 else { return got == 0 }
            offset += got
            var written = 0
            while written < got {
                let put = buffer[written..<got].withUnsafeBytes { write(to, $0.baseAddress, $0.count) }
                guard put > 0 else { return false }
                written += put
            }
        }
    }
}
