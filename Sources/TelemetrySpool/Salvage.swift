import CSQLite
import Glibc
import TelemetryModel

extension SpoolError {
    /// What was written is not there any more. Anything else may be read another time.
    var isUnreadable: Bool {
        switch self {
        case .corrupt: true
        // A table or a column is missing; a length is beyond all bounds.
        case .io(let code, _): [SQLITE_ERROR, SQLITE_TOOBIG].contains(code & 0xff)
        default: false
        }
    }
}

/// Runs `read` until it meets something unreadable: what it has got until then stays. Throws what may pass.
///
/// - Returns: true when it came to its end.
@discardableResult
func asFarAsReadable(_ read: () throws(SpoolError) -> Void) throws(SpoolError) -> Bool {
    do throws(SpoolError) {
        try read()
        return true
    } catch {
        guard error.isUnreadable else { throw error }
        return false
    }
}

/// Reads the rows of a quarantined database one by one, in the order of their ids, around what cannot be read.
///
/// It throws what a later try may not meet, and never ``SpoolError/corrupt``: that would be the live database.
final class Salvage {
    private let connection: Connection
    let file: SpoolFile

    init(path: String, vfs: String?) throws(SpoolError) {
        connection = try Connection(path: path, access: .readWrite, vfs: vfs)
        guard let file = SpoolFile(path: path) else { throw .io(code: SQLITE_CANTOPEN, during: "salvage") }
        self.file = file
        try asFarAsReadable { () throws(SpoolError) in
            try connection.run("PRAGMA locking_mode = EXCLUSIVE", during: "salvage")
            try connection.run("PRAGMA cache_size = -256", during: "salvage")
            // It opens the WAL, which may be deleted.
            _ = try connection.integer("SELECT count(*) FROM sqlite_schema", during: "salvage")
        }
    }

    /// Copies what lies in the open file to where it was.
    func restore() throws(SpoolError) {
        // The WAL may be gone too, so what it holds goes into the file as far as that is possible.
        try? connection.checkpoint()
        let part = file.path + Spool.partSuffix
        QuarantineFiles.remove(file.path)
        guard file.copyContent(to: part), rename(part, file.path) == 0 else {
            let code = errno
            unlink(part)
            if code == ENOSPC { throw .full }
            throw .io(code: SQLITE_IOERR, during: "salvage")
        }
    }

    /// Ids of readable rows above `cursor`, ascending, at most `count`; empty at the end.
    func ids(of table: StaticString, after cursor: Int64, count: Int) throws(SpoolError) -> [Int64] {
        guard cursor < .max else { return [] }
        let next = try ascending(table, from: cursor + 1, count: count)
        if !next.ids.isEmpty || next.isComplete { return next.ids }
        guard let beyond = try firstReadable(table, after: cursor) else { return [] }
        // The rows just below the first one that was hit lie on its page or on pages before it.
        var ids: [Int64] = []
        try asFarAsReadable { () throws(SpoolError) in
            try connection.query(
                "SELECT id FROM \(table) NOT INDEXED WHERE id < ? AND id > ? ORDER BY id DESC",
                [.integer(beyond), .integer(cursor)], during: "salvage"
            ) { row in
                ids.append(row.integer(0))
                return true
            }
        }
        ids = ids.reversed() + [beyond]
        return Array(ids.prefix(count))
    }

    private func ascending(
        _ table: StaticString, from id: Int64, count: Int
    ) throws(SpoolError) -> (ids: [Int64], isComplete: Bool) {
        var ids: [Int64] = []
        let isComplete = try asFarAsReadable { () throws(SpoolError) in
            try connection.query(
                "SELECT id FROM \(table) NOT INDEXED WHERE id >= ? ORDER BY id LIMIT ?",
                [.integer(id), .integer(count)], during: "salvage"
            ) { row in
                ids.append(row.integer(0))
                return true
            }
        }
        return (ids, isComplete)
    }

    /// Steps over unreadable pages: ever wider, so that any damage is passed in at most 62 look-ups.
    private func firstReadable(_ table: StaticString, after cursor: Int64) throws(SpoolError) -> Int64? {
        for exponent in Int64(1)..<62 {
            let (start, isBeyond) = cursor.addingReportingOverflow(1 << exponent)
            if isBeyond { return nil }
            let probe = try ascending(table, from: start, count: 1)
            if let id = probe.ids.first { return id }
            if probe.isComplete { return nil }
        }
        return nil
    }

    /// A row of the queue, nil when it cannot be read or is not what was written.
    func chunk(id: Int64, crc32: (UnsafeRawBufferPointer) -> UInt32) throws(SpoolError) -> SalvagedChunk? {
        var found: SalvagedChunk?
        try asFarAsReadable { () throws(SpoolError) in
            try connection.query(
                """
                SELECT created_ms, priority, events, lines_length, attempts, stored_crc, lines_crc, ids_digest, indices,
                    stored, retry_at_ms, environment_id
                FROM chunks WHERE id = ?
                """, [.integer(id)], during: "salvage"
            ) { row in
                found = SalvagedChunk(
                    stored: StoredChunk(row, id: id), retryAtMs: row.integer(10), environmentID: row.text(11))
                return false
            }
        }
        guard let found, SpoolSchema.counts.contains(found.stored.chunk.events), found.stored.chunk.events > 0,
            SpoolSchema.counts.contains(found.stored.chunk.linesLength), found.stored.chunk.linesLength > 0,
            found.stored.chunk.stored.withUnsafeBytes(crc32) == found.stored.chunk.storedCRC
        else { return nil }
        return found
    }

    func reject(id: Int64) throws(SpoolError) -> (reject: RejectedDocument, createdMs: Int64)? {
        var found: (RejectedDocument, Int64)?
        try asFarAsReadable { () throws(SpoolError) in
            try connection.query(
                """
                SELECT document_id, index_name, status, reason, error_type, error_reason, content, created_ms
                FROM rejects WHERE id = ?
                """, [.integer(id)], during: "salvage"
            ) { row in
                found = (RejectedDocument(row), row.integer(7))
                return false
            }
        }
        return found
    }
}

struct SalvagedChunk {
    var stored: StoredChunk
    var retryAtMs: Int64
    /// The environment the ids in it begin with.
    var environmentID: String?
}

extension SpoolStore {
    private static let salvagedRows = 256

    var isSalvageDue: Bool {
        guard row.salvageCursor != nil else { return false }
        return salvageDueMs.map { $0 <= options.monotonicMs() } ?? true
    }

    /// A slice. What may pass postpones the next one, and the rest of the housekeeping goes on.
    func salvageSliceOrLater() throws(SpoolError) -> Bool {
        do throws(SpoolError) {
            salvageDueMs = nil
            return try salvageSlice()
        } catch {
            if error == .corrupt { throw error }
            // What is only evidence must not take the room of what was received.
            if error == .full, discardEvidence() { return true }
            salvageDueMs = options.monotonicMs() + Self.salvagePauseMs
            notices.append(Notice(.warning, "spool_salvage_postponed", [(name: "error", value: error.description)]))
            return false
        }
    }

    private static let salvagePauseMs: Int64 = 1000

    /// Now, for the function may delete it before its turn comes.
    func openSalvage() {
        salvage = try? Salvage(path: QuarantineFiles.salvaging(file.directory), vfs: options.vfs)
    }

    /// Takes over some rows of the quarantined database: at most 256 KiB of blobs. First the queue, then the rejects
    /// (whose ids count below zero in the cursor). True while there may be more.
    private func salvageSlice() throws(SpoolError) -> Bool {
        guard let cursor = row.salvageCursor else { return false }
        let path = QuarantineFiles.salvaging(file.directory)
        if salvage == nil, QuarantineFiles.exists(path) { salvage = try Salvage(path: path, vfs: options.vfs) }
        guard let salvage else {
            try finishSalvage()
            return true
        }
        if cursor >= 0 {
            if try salvageChunks(salvage, after: cursor) { return true }
            try transaction(during: "salvage") { pending throws(SpoolError) in pending.row.salvageCursor = -1 }
            return true
        }
        if try salvageRejects(salvage, after: ~cursor) { return true }
        try finishSalvage()
        return true
    }

    private func salvageChunks(_ salvage: Salvage, after cursor: Int64) throws(SpoolError) -> Bool {
        let ids = try salvage.ids(of: "chunks", after: cursor, count: Self.salvagedRows)
        guard !ids.isEmpty else { return false }
        var chunks: [SalvagedChunk] = []
        var bytes = 0
        var last = cursor
        for id in ids where bytes < Self.blobBytesPerHold {
            last = id
            guard let chunk = try salvage.chunk(id: id, crc32: options.crc32) else { continue }
            bytes += chunk.stored.chunk.stored.count
            chunks.append(chunk)
        }
        try prepareRoomOnDisk(pages: bytes / SpoolSchema.pageSize + chunks.count + 12)
        try transaction(during: "salvage") { [chunks, last] pending throws(SpoolError) in
            for chunk in chunks {
                try insertChunk(
                    chunk.stored.chunk, createdMs: chunk.stored.createdMs, attempts: chunk.stored.attempts,
                    retryAtMs: chunk.retryAtMs, environmentID: chunk.environmentID, &pending)
                let events = chunk.stored.chunk.events
                let known = min(events, pending.row.salvageEvents)
                pending.row.salvageEvents -= known
                // More than the old ledger knew, or one that nobody could read.
                pending.ledger.add(events - known, .received)
                pending.ledger.add(events - known, .spooled)
            }
            pending.row.salvageCursor = last
        }
        return true
    }

    private func salvageRejects(_ salvage: Salvage, after cursor: Int64) throws(SpoolError) -> Bool {
        let ids = try salvage.ids(of: "rejects", after: cursor, count: Self.salvagedRows)
        guard !ids.isEmpty else { return false }
        var rejects: [(reject: RejectedDocument, createdMs: Int64)] = []
        var bytes = 0
        var last = cursor
        for id in ids where bytes < Self.blobBytesPerHold {
            last = id
            guard let reject = try salvage.reject(id: id) else { continue }
            bytes += Self.bytes(of: reject.reject)
            rejects.append(reject)
        }
        try prepareRoomOnDisk(pages: bytes / SpoolSchema.pageSize + rejects.count + 12)
        try transaction(during: "salvage") { [rejects, last] pending throws(SpoolError) in
            for (reject, createdMs) in rejects {
                try insert([reject], createdMs: createdMs, &pending)
            }
            pending.row.salvageCursor = ~last
        }
        return true
    }

    private func finishSalvage() throws(SpoolError) {
        let lost = row.salvageEvents
        try transaction(during: "salvage") { pending throws(SpoolError) in
            pending.ledger.add(-lost, .spooled)
            pending.ledger.add(lost, .discarded, LedgerReason.corrupt)
            pending.row.salvageEvents = 0
            pending.row.salvageCursor = nil
        }
        salvage = nil
        notices.append(
            Notice(
                .error, "spool_salvaged",
                [
                    (name: "spooled", value: String(row.total.events)),
                    (name: "lost", value: row.unknownLosses ? "unknown" : String(lost)),
                ]))
        keepEvidence()
    }

    /// The quarantined file has been read: it stays as evidence if there is room for it within the bound.
    func keepEvidence() {
        let path = QuarantineFiles.salvaging(file.directory)
        guard QuarantineFiles.exists(path) else { return }
        let evidence = QuarantineFiles.evidence(file.directory)
        let bytes = QuarantineFiles.bytes(path)
        guard let pages = try? pageCounts().all, !space.isShort, space.filesOnDisk(pages: pages) + bytes <= space.bound
        else {
            QuarantineFiles.remove(path)
            return
        }
        QuarantineFiles.move(path, to: evidence)
        space.quarantined = bytes
    }
}
