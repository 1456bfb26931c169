import CSQLite

/// One connection to one database file. Not thread-safe by itself: it lives behind the spool's mutex.
///
/// Statements never leave a call: each is stepped to its end, or as far as the caller wants, and reset before the call
/// returns. A SELECT that is left open keeps every checkpoint from finishing, and the WAL grows without bound.
final class Connection {
    private let handle: OpaquePointer
    private var isClosed = false
    private var statements: [String: Statement] = [:]
    private let walFrames: UnsafeMutablePointer<Int32>

    enum Access {
        case readWrite, readOnly
    }

    /// - Parameter vfs: the name of a registered VFS, nil for the default one. The tests break the disk through it.
    init(path: String, access: Access, vfs: String?) throws(SpoolError) {
        var handle: OpaquePointer?
        // NOMUTEX: the spool's mutex is around every call; SQLite's own would only cost time.
        let flags =
            (access == .readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
            | SQLITE_OPEN_NOMUTEX
        let code = sqlite3_open_v2(path, &handle, flags, vfs)
        guard code == SQLITE_OK, let handle else {
            let extended = handle.map(sqlite3_extended_errcode) ?? code
            sqlite3_close_v2(handle)
            throw SpoolError(resultCode: extended, during: "open")
        }
        self.handle = handle
        self.walFrames = .allocate(capacity: 1)
        walFrames.initialize(to: 0)
        sqlite3_extended_result_codes(handle, 1)
        // A close without a checkpoint leaves the files as a kill would, and never deletes a WAL by its name, which by
        // then may belong to the successor of a database that was renamed or deleted.
        _ = permafrost_sqlite3_no_checkpoint_on_close(handle)
    }

    deinit {
        close()
        walFrames.deallocate()
    }

    /// Ends the connection and with it its lock on the file. Nothing may be asked of it afterwards.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        statements.removeAll()
        sqlite3_close_v2(handle)
    }

    /// Pages in the WAL that no checkpoint has copied back. Exact after the first commit of this connection.
    var framesInWAL: Int { Int(walFrames.pointee) }

    /// SQLite's own checkpoints off (they would run in the listener's commits), frames counted instead.
    ///
    /// The pointer given to the hook lives as long as the connection does: both end in `deinit`.
    func countWALFrames() {
        sqlite3_wal_autocheckpoint(handle, 0)
        sqlite3_wal_hook(
            handle,
            { context, _, _, frames in
                context?.assumingMemoryBound(to: Int32.self).pointee = frames
                return SQLITE_OK
            }, walFrames)
    }

    /// True outside a transaction.
    var isAutocommit: Bool { sqlite3_get_autocommit(handle) != 0 }

    /// Runs a statement that gives no rows, or whose rows nobody wants.
    func run(_ sql: String, _ values: [SQLValue] = [], during operation: StaticString) throws(SpoolError) {
        try query(sql, values, during: operation) { _ in true }
    }

    /// Rows the last INSERT, UPDATE or DELETE changed.
    var changes: Int { Int(sqlite3_changes(handle)) }

    /// Gives each row to `body`, until that returns false.
    func query(
        _ sql: String, _ values: [SQLValue] = [], during operation: StaticString, _ body: (SQLRow) -> Bool
    ) throws(SpoolError) {
        let statement = try prepared(sql, during: operation)
        defer {
            sqlite3_reset(statement.handle)
            sqlite3_clear_bindings(statement.handle)
        }
        let bound = statement.bind(values)
        guard bound == SQLITE_OK else { throw SpoolError(resultCode: bound, during: operation) }
        while true {
            switch sqlite3_step(statement.handle) {
            case SQLITE_ROW:
                if !body(SQLRow(of: statement)) { return }
            case SQLITE_DONE:
                return
            default:
                throw SpoolError(resultCode: sqlite3_extended_errcode(handle), during: operation)
            }
        }
    }

    /// The first column of the first row, nil without one.
    func integer(_ sql: String, _ values: [SQLValue] = [], during operation: StaticString) throws(SpoolError) -> Int64?
    {
        var result: Int64?
        try query(sql, values, during: operation) { row in
            if !row.isNull(0) { result = row.integer(0) }
            return false
        }
        return result
    }

    private func prepared(_ sql: String, during operation: StaticString) throws(SpoolError) -> Statement {
        if let statement = statements[sql] { return statement }
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else {
            throw SpoolError(resultCode: sqlite3_extended_errcode(handle), during: operation)
        }
        let made = Statement(handle: statement)
        statements[sql] = made
        return made
    }

    /// Copies what the WAL holds into the database, as far as it goes. The WAL starts again from its beginning with the
    /// next commit, which is also when SQLite cuts the file to `journal_size_limit`.
    func checkpoint() throws(SpoolError) {
        let code = sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
        guard code == SQLITE_OK else {
            throw SpoolError(resultCode: sqlite3_extended_errcode(handle), during: "checkpoint")
        }
        walFrames.pointee = 0
    }
}
