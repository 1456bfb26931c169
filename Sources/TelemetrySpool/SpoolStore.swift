import TelemetryModel

/// An open spool: the connection and the mirror of what its small tables hold. It lives behind ``Spool``'s mutex.
///
/// The mirror changes only after COMMIT, so that it equals the tables whenever the mutex is free.
final class SpoolStore {
    var connection: Connection
    var file: SpoolFile
    let options: SpoolOptions

    var row: EnvironmentRow
    var ledger: Ledger
    var intake: IntakeState
    var bodies: BodyRing
    var metrics: MetricState
    /// Oldest first.
    var former: [FormerInstance] = []
    var metricRevision: UInt64 = 1

    /// Rows that belong to a request. In memory only: a claim ends with the process.
    var claims: [Int64: Claim] = [:]
    var oldest = Remembered<Int64?>()
    var nextRetry = Remembered<Int64?>()
    var recount: Recount?
    /// The quarantined database that is being read.
    var salvage: Salvage?
    /// By the monotonic clock: what could not be read or stored for a reason that may pass is tried again then.
    var salvageDueMs: Int64?
    var space: SpaceMeter
    /// What to tell once the mutex is free.
    var notices: [Notice] = []
    /// The transaction could not be ended: the connection is of no use any more.
    var isBroken = false

    struct Claim {
        var sums: ChunkSums
        var isWaiting: Bool
    }

    /// A value that is asked for only when it is not known.
    struct Remembered<Value> {
        var value: Value?
    }

    /// - Parameter isNew: this very open has made the tables.
    init(
        connection: Connection, file: SpoolFile, options: SpoolOptions, space: SpaceMeter, revision: UInt64,
        isNew: Bool
    ) throws(SpoolError) {
        self.connection = connection
        self.file = file
        self.options = options
        self.space = space
        guard var row = try EnvironmentRow.load(from: connection) else { throw .corrupt }
        // SQLite ends the recovery of a WAL at its first bad frame, and says nothing; what is left may be as old as the
        // tables. The numbers of the lost commits must not come back; no WAL holds as many commits as are skipped here,
        // for each takes a frame at least.
        if !isNew { row.nextNumber += Self.numbersSkippedAtOpen }
        self.row = row
        self.ledger = try Ledger.load(from: connection)
        self.bodies = try BodyRing.load(from: connection)
        self.metrics = MetricState()
        self.intake = IntakeState(
            revision: revision, identity: row.environmentID.map(DocumentIdentity.environment) ?? .snapshot,
            invocationID: row.invocationID, heldParts: try Self.loadHeldParts(from: connection),
            lastBody: row.lastBody, lastAcknowledgementUncertain: true)
        try metrics.load(instance: "", from: connection)
        try FormerInstance.load(from: connection) { former.append($0) }
        for index in former.indices where !former[index].isPushed {
            try former[index].metrics.load(instance: former[index].instance, from: connection)
        }
        self.recount = Recount(
            end: row.nextChunk, events: ledger.total(.spooled) - intake.heldParts.count - row.salvageEvents,
            total: row.total, waiting: row.waiting)
    }

    static let numbersSkippedAtOpen: UInt64 = 65_536

    static func loadHeldParts(from connection: Connection) throws(SpoolError) -> [HeldPart] {
        var parts: [HeldPart] = []
        try connection.query(
            "SELECT envelope, value, parts, received_ms, of_snapshot FROM held_parts ORDER BY position", during: "load"
        ) { row in
            parts.append(
                HeldPart(
                    envelope: row.blob(0), value: row.blob(1), parts: row.int(2), receivedMs: row.integer(3),
                    isOfSnapshot: row.integer(4) != 0))
            return true
        }
        return parts
    }

    static func insert(_ part: HeldPart, position: Int, into connection: Connection) throws(SpoolError) {
        try connection.run(
            "INSERT INTO held_parts VALUES (?, ?, ?, ?, ?, ?)",
            [
                .integer(position), .blob(part.envelope), .blob(part.value), .integer(part.parts),
                .integer(part.receivedMs), .integer(part.isOfSnapshot ? 1 : 0),
            ], during: "append")
    }

    /// The WAL had lost its end: the books are those of an earlier time, and nobody knows what came after.
    func noteLostCommits() {
        notices.append(Notice(.error, "spool_commits_lost"))
        guard !row.unknownLosses else { return }
        do throws(SpoolError) {
            try transaction(during: "open") { pending throws(SpoolError) in pending.row.unknownLosses = true }
        } catch {
            // On a full disk the next transaction that changes the row takes it along.
            row.unknownLosses = true
        }
    }

    var books: Books {
        var books = Books()
        books.ledger = ledger
        books.platformDropped = row.platformDropped
        books.unknownLosses = row.unknownLosses
        books.metricRevision = metricRevision
        return books
    }
}

// MARK: - Transactions

extension SpoolStore {
    /// What a transaction is about to change besides its tables.
    struct Pending {
        var row: EnvironmentRow
        var ledger = Ledger()
        /// Rows of `chunks` that go.
        var removed: [(id: Int64, sums: ChunkSums, isWaiting: Bool)] = []
        /// Those that wait for a retry now and did not before.
        var postponed: [(id: Int64, sums: ChunkSums)] = []
        /// What there is to tell once it is true.
        var notices: [Notice] = []
        var hasEvicted = false
    }

    /// Runs `change` and what it left in `Pending` as one transaction, and replaces the mirror after COMMIT. Whatever
    /// fails, nothing has changed: neither on disk nor in memory.
    func transaction<Result>(
        during operation: StaticString, before: CrashPoint? = nil, after: CrashPoint? = nil,
        _ change: (inout Pending) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        guard !isBroken else { throw .notOpen }
        var pending = Pending(row: row)
        let result: Result
        do {
            try connection.run("BEGIN IMMEDIATE", during: operation)
            result = try change(&pending)
            try pending.ledger.add(to: connection)
            if pending.row != row { try pending.row.save(to: connection) }
            try reserveRoom()
            if let before { CrashPoint.reach(before) }
            try connection.run("COMMIT", during: operation)
        } catch {
            rollBack()
            throw error
        }
        if let after { CrashPoint.reach(after) }
        if pending.hasEvicted { CrashPoint.reach(.evictAfterCommit) }
        notices += pending.notices
        committed()
        if !pending.ledger.events.isEmpty {
            ledger.add(pending.ledger)
            metricRevision += 1
        }
        row = pending.row
        for removed in pending.removed {
            claims[removed.id] = nil
            recount?.removed(id: removed.id, sums: removed.sums, isWaiting: removed.isWaiting)
        }
        for postponed in pending.postponed { recount?.postponed(id: postponed.id, sums: postponed.sums) }
        oldest.value = nil
        nextRetry.value = nil
        return result
    }

    /// What follows any COMMIT.
    func committed() {
        space.committed(frames: connection.framesInWAL)
        file.mark?.committed(frames: connection.framesInWAL)
    }

    /// After a failure SQLite may have rolled back by itself, or not. https://www.sqlite.org/lang_transaction.html
    private func rollBack() {
        guard !connection.isAutocommit else { return }
        try? connection.run("ROLLBACK", during: "rollback")
        if !connection.isAutocommit { isBroken = true }
    }

    /// Sums of one row of `chunks`, and whether it waits for a retry; nil when it is gone.
    func chunkSums(id: Int64) throws(SpoolError) -> (sums: ChunkSums, isWaiting: Bool)? {
        var found: (ChunkSums, Bool)?
        try connection.query(
            "SELECT events, lines_length, retry_at_ms FROM chunks WHERE id = ?", [.integer(id)], during: "read"
        ) { row in
            found = (ChunkSums(chunks: 1, events: row.int(0), bytes: row.int(1)), row.integer(2) > 0)
            return false
        }
        return found
    }

    /// Deletes one row of `chunks`; the sums leave `pending.row`, the events stay in `spooled` until the caller says
    /// what became of them.
    func removeChunk(id: Int64, sums: ChunkSums, isWaiting: Bool, _ pending: inout Pending) throws(SpoolError) {
        try connection.run("DELETE FROM chunks WHERE id = ?", [.integer(id)], during: "delete")
        pending.row.total = pending.row.total - sums
        if isWaiting { pending.row.waiting = pending.row.waiting - sums }
        pending.removed.append((id, sums, isWaiting))
    }

    /// Adds a row to `chunks`; `spooled` is the caller's. `environmentID` is given for a row of a former environment.
    func insertChunk(
        _ chunk: Chunk, createdMs: Int64, attempts: Int, retryAtMs: Int64, environmentID: String? = nil,
        _ pending: inout Pending
    ) throws(SpoolError) {
        let retryAtMs = max(0, retryAtMs)
        let id = pending.row.nextChunk
        try connection.run(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                .integer(id), .integer(createdMs), .integer(chunk.priority.rawValue), .integer(chunk.events),
                .integer(chunk.linesLength), .integer(attempts), .integer(retryAtMs),
                .integer(Int64(chunk.sealedCRC)), .integer(Int64(chunk.linesCRC)),
                .integer(Int64(bitPattern: chunk.idsDigest)), .text(chunk.indices.joined(separator: ",")),
                .optional(environmentID ?? pending.row.environmentID?.text), .blob(chunk.stored),
            ], during: "insert")
        pending.row.nextChunk += 1
        let sums = ChunkSums(chunks: 1, events: chunk.events, bytes: chunk.linesLength)
        pending.row.total = pending.row.total + sums
        if retryAtMs > 0 { pending.row.waiting = pending.row.waiting + sums }
    }

    /// Allocates the blocks of what this transaction adds to the database file, so that a later checkpoint never needs
    /// any: on a full disk a WAL that cannot be copied back could never be reused, and nothing would drain.
    private func reserveRoom() throws(SpoolError) {
        let pages = try connection.integer("PRAGMA page_count", during: "reserve") ?? 0
        guard file.reserve(bytes: Int(pages) * SpoolSchema.pageSize) else { throw .full }
    }
}
