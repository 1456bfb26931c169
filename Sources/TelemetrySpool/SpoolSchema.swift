import TelemetryModel

/// The tables of the spool.
///
/// - `chunks`: the queue. `id` never comes back, so that a settlement can only ever remove the row it means.
/// - `environment`: one row, everything that exists once.
/// - `ledger`: the columns of the books; `carried`: what of them belongs to the instances before a quarantine.
/// - `bodies`: a ring of the digests of recent bodies.
/// - `held_parts`: parts of cut records. Rewritten only by a batch that changes them.
/// - `series`, `counters`: the metric state; the instance is empty for the environment of this spool.
/// - `rejects`: documents that no back end takes.
enum SpoolSchema {
    /// "pfro": what makes a SQLite file a spool of ours. https://www.sqlite.org/pragma.html#pragma_application_id
    static let applicationID: Int64 = 0x7066_726f
    static let version: Int64 = 1

    /// Somebody else's file, or a newer version's. Neither number is set while a file of ours is being made: then the
    /// tables decide.
    static func isForeign(applicationID: Int64, version: Int64) -> Bool {
        guard applicationID != 0 || version != 0 else { return false }
        return applicationID != Self.applicationID || version > Self.version
    }

    // created_ms orders the queue, for a row that is sent again keeps its age. A row that waits for its retry is in
    // another index than one that was never tried, so that reading due rows costs the rows it returns and nothing else.
    static let statements = [
        """
        CREATE TABLE environment (
            id INTEGER PRIMARY KEY, environment_id TEXT, next_number INTEGER NOT NULL, next_chunk INTEGER NOT NULL,
            bodies INTEGER NOT NULL, invocation_id TEXT, last_digest BLOB, last_events INTEGER NOT NULL,
            chunks INTEGER NOT NULL, events INTEGER NOT NULL, bytes INTEGER NOT NULL,
            waiting_chunks INTEGER NOT NULL, waiting_events INTEGER NOT NULL, waiting_bytes INTEGER NOT NULL,
            reject_bytes INTEGER NOT NULL, platform_dropped INTEGER NOT NULL, unknown_losses INTEGER NOT NULL,
            salvage_cursor INTEGER, salvage_events INTEGER NOT NULL)
        """,
        """
        CREATE TABLE chunks (
            id INTEGER PRIMARY KEY, created_ms INTEGER NOT NULL, priority INTEGER NOT NULL, events INTEGER NOT NULL,
            lines_length INTEGER NOT NULL, attempts INTEGER NOT NULL, retry_at_ms INTEGER NOT NULL,
            stored_crc INTEGER NOT NULL, lines_crc INTEGER NOT NULL, ids_digest INTEGER NOT NULL,
            indices TEXT NOT NULL, environment_id TEXT, stored BLOB NOT NULL)
        """,
        "CREATE INDEX chunks_by_priority ON chunks (priority, created_ms)",
        "CREATE INDEX chunks_untried ON chunks (created_ms) WHERE retry_at_ms = 0",
        "CREATE INDEX chunks_failures ON chunks (created_ms) WHERE priority = 2 AND retry_at_ms = 0",
        "CREATE INDEX chunks_waiting ON chunks (retry_at_ms) WHERE retry_at_ms > 0",
        """
        CREATE TABLE ledger (
            outcome TEXT NOT NULL, reason TEXT NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (outcome, reason))
        """,
        """
        CREATE TABLE carried (
            instance TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, events INTEGER NOT NULL,
            pushed INTEGER NOT NULL, PRIMARY KEY (instance, outcome, reason))
        """,
        "CREATE TABLE bodies (slot INTEGER PRIMARY KEY, digest BLOB NOT NULL, events INTEGER NOT NULL)",
        """
        CREATE TABLE held_parts (
            position INTEGER PRIMARY KEY, envelope BLOB NOT NULL, value BLOB NOT NULL, parts INTEGER NOT NULL,
            received_ms INTEGER NOT NULL, of_snapshot INTEGER NOT NULL)
        """,
        """
        CREATE TABLE series (
            id INTEGER PRIMARY KEY, instance TEXT NOT NULL, family TEXT NOT NULL, request_id TEXT NOT NULL,
            sketch BLOB NOT NULL, UNIQUE (instance, family, request_id))
        """,
        """
        CREATE TABLE counters (
            id INTEGER PRIMARY KEY, instance TEXT NOT NULL, family TEXT NOT NULL, label TEXT NOT NULL,
            count INTEGER NOT NULL, UNIQUE (instance, family, label))
        """,
        """
        CREATE TABLE rejects (
            id INTEGER PRIMARY KEY, created_ms INTEGER NOT NULL, document_id TEXT, index_name TEXT,
            status INTEGER NOT NULL, reason TEXT NOT NULL, error_type TEXT NOT NULL, error_reason TEXT NOT NULL,
            content BLOB NOT NULL)
        """,
    ]

    /// Makes the tables in one transaction, together with what marks the file as ours and what it takes over from a
    /// quarantined one, or changes nothing.
    static func create(
        in connection: Connection, environmentID: EnvironmentID?, inheriting inheritance: Inheritance?,
        unknownLosses: Bool
    ) throws(SpoolError) {
        try connection.run("BEGIN IMMEDIATE", during: "create")
        for statement in statements { try connection.run(statement, during: "create") }
        try connection.run(
            """
            INSERT INTO environment VALUES (1, ?, 1, 1, 0, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, ?, NULL, 0)
            """, [.optional(environmentID?.text), .integer(unknownLosses ? 1 : 0)], during: "create")
        if let inheritance { try inheritance.save(to: connection, environmentID: environmentID) }
        try connection.run("PRAGMA application_id = \(applicationID)", during: "create")
        try connection.run("PRAGMA user_version = \(version)", during: "create")
        try connection.run("COMMIT", during: "create")
    }

    /// Settings that have to stand before the first access to the file.
    static func prepareFile(_ connection: Connection) throws(SpoolError) {
        // EXCLUSIVE before WAL: the index of the WAL is then ordinary memory (no -shm file), and no second process gets
        // in. https://www.sqlite.org/wal.html#use_of_wal_without_shared_memory
        try connection.run("PRAGMA locking_mode = EXCLUSIVE", during: "configure")
        // OFF: nothing is synced. A commit survives the death of this process, which is what we promise; it can be lost
        // only together with the host, and then /tmp is gone as well. https://www.sqlite.org/pragma.html#pragma_synchronous
        try connection.run("PRAGMA synchronous = OFF", during: "configure")
        // Only while the file is empty do these mean anything; the second would write to a file that is not.
        guard try connection.integer("PRAGMA page_count", during: "configure") == 0 else { return }
        try connection.run("PRAGMA page_size = \(pageSize)", during: "configure")
        try connection.run("PRAGMA auto_vacuum = INCREMENTAL", during: "configure")
    }

    /// Settings of a connection to a file that is ours, or empty.
    static func configure(_ connection: Connection) throws(SpoolError) {
        // Debian's build overwrites what is deleted; here that would send every deleted page through the WAL.
        try connection.run("PRAGMA secure_delete = OFF", during: "configure")
        try connection.run("PRAGMA temp_store = MEMORY", during: "configure")
        try connection.run("PRAGMA mmap_size = 0", during: "configure")
        try connection.run("PRAGMA cache_size = -512", during: "configure")
        // The room in which settling and evicting work on a full disk: the file is never cut below it.
        try connection.run("PRAGMA journal_size_limit = \(walRoom)", during: "configure")
        var mode: String?
        try connection.query("PRAGMA journal_mode = WAL", during: "configure") { row in
            mode = row.text(0)
            return true
        }
        guard mode == "wal" else { throw .internal("journal_mode") }
        connection.countWALFrames()
    }

    /// What a column that counts something can hold. What is read of a damaged page may be any number.
    static let counts = 0..<1 << 48

    static let pageSize = 4096
    /// A frame of the WAL: a page and its header. https://www.sqlite.org/fileformat2.html#the_write_ahead_log
    static let frameSize = pageSize + 24
    static let walRoom = 1 << 20
}
