import TelemetryModel

/// Chunks, the events in them, and the bytes of their uncompressed lines.
package struct ChunkSums: Equatable, Sendable {
    package var chunks = 0
    package var events = 0
    package var bytes = 0

    package init(chunks: Int = 0, events: Int = 0, bytes: Int = 0) {
        self.chunks = chunks
        self.events = events
        self.bytes = bytes
    }

    static func + (left: ChunkSums, right: ChunkSums) -> ChunkSums {
        ChunkSums(
            chunks: left.chunks + right.chunks, events: left.events + right.events, bytes: left.bytes + right.bytes)
    }

    static func - (left: ChunkSums, right: ChunkSums) -> ChunkSums {
        ChunkSums(
            chunks: left.chunks - right.chunks, events: left.events - right.events, bytes: left.bytes - right.bytes)
    }
}

/// The one row of the table `environment`: what exists once in a spool.
struct EnvironmentRow: Equatable {
    var environmentID: EnvironmentID?
    /// Never given out yet.
    var nextNumber: UInt64 = 1
    var nextChunk: Int64 = 1
    /// Bodies entered into the ring so far; the next one takes this slot, modulo the ring's size.
    var bodies: Int64 = 0
    var invocationID: String?
    var lastBody: LastBody?
    /// All rows of `chunks`.
    var total = ChunkSums()
    /// Those of them that wait for a retry, due or not.
    var waiting = ChunkSums()
    var rejectBytes = 0
    /// What the platform reports as dropped, over all instances.
    var platformDropped = 0
    /// A ledger was lost: nobody knows how many events it counted as spooled.
    var unknownLosses = false
    /// While a quarantined database is being salvaged: its rows up to this id are done. Nil otherwise.
    var salvageCursor: Int64?
    /// Events that the quarantined ledger counts as spooled and that have not been salvaged yet.
    var salvageEvents = 0

    static func load(from connection: Connection) throws(SpoolError) -> EnvironmentRow? {
        var result: EnvironmentRow?
        try connection.query(
            """
            SELECT environment_id, next_number, next_chunk, bodies, invocation_id, last_digest, last_events, chunks,
                events, bytes, waiting_chunks, waiting_events, waiting_bytes, reject_bytes, platform_dropped,
                unknown_losses, salvage_cursor, salvage_events
            FROM environment WHERE id = 1
            """, during: "load"
        ) { row in
            var loaded = EnvironmentRow()
            loaded.environmentID = row.text(0).flatMap(EnvironmentID.init)
            loaded.nextNumber = UInt64(clamping: row.integer(1))
            loaded.nextChunk = row.integer(2)
            loaded.bodies = row.integer(3)
            loaded.invocationID = row.text(4)
            loaded.lastBody = Digest128(bytes: row.blob(5)).map { LastBody(digest: $0, events: row.int(6)) }
            loaded.total = ChunkSums(chunks: row.int(7), events: row.int(8), bytes: row.int(9))
            loaded.waiting = ChunkSums(chunks: row.int(10), events: row.int(11), bytes: row.int(12))
            loaded.rejectBytes = row.int(13)
            loaded.platformDropped = max(0, row.int(14))
            loaded.unknownLosses = row.integer(15) != 0
            loaded.salvageCursor = row.isNull(16) ? nil : row.integer(16)
            loaded.salvageEvents = row.int(17)
            result = loaded
            return false
        }
        guard result?.isPlausible ?? true else { throw .corrupt }
        return result
    }

    /// Numbers can be counted on from here without end.
    private var isPlausible: Bool {
        let counts = [
            total.chunks, total.events, total.bytes, waiting.chunks, waiting.events, waiting.bytes, rejectBytes,
            salvageEvents,
        ]
        return counts.allSatisfy(SpoolSchema.counts.contains) && nextNumber <= 1 << 62 && (1...1 << 62) ~= nextChunk
            && (0...1 << 62) ~= bodies
    }

    func save(to connection: Connection) throws(SpoolError) {
        try connection.run(
            """
            UPDATE environment SET environment_id = ?, next_number = ?, next_chunk = ?, bodies = ?, invocation_id = ?,
                last_digest = ?, last_events = ?, chunks = ?, events = ?, bytes = ?, waiting_chunks = ?,
                waiting_events = ?, waiting_bytes = ?, reject_bytes = ?, platform_dropped = ?, unknown_losses = ?,
                salvage_cursor = ?, salvage_events = ?
            WHERE id = 1
            """,
            [
                .optional(environmentID?.text), .integer(Int64(clamping: nextNumber)), .integer(nextChunk),
                .integer(bodies), .optional(invocationID), lastBody.map { .blob($0.digest.bytes) } ?? .null,
                .integer(lastBody?.events ?? 0), .integer(total.chunks), .integer(total.events),
                .integer(total.bytes), .integer(waiting.chunks), .integer(waiting.events), .integer(waiting.bytes),
                .integer(rejectBytes), .integer(platformDropped), .integer(unknownLosses ? 1 : 0),
                salvageCursor.map(SQLValue.integer) ?? .null, .integer(salvageEvents),
            ], during: "save")
    }
}
