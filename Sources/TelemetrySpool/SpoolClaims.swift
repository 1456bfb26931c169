import TelemetryModel

extension Spool {
    /// Takes chunks for one request: at most `maximumChunks` and `maximumBytes` of uncompressed lines, but one chunk
    /// whatever its size. They belong to the caller until it settles or releases them; `[]` when nothing is due.
    ///
    /// One hold of the mutex reads at most 256 KiB of blobs; the CRC of the stored bytes is checked outside it. A chunk
    /// that fails is discarded as `corrupt`.
    package func claim(
        _ order: ClaimOrder, maximumBytes: Int, maximumChunks: Int, nowMs: Int64
    ) throws(SpoolError) -> [StoredChunk] {
        var claimed: [StoredChunk] = []
        var bytes = 0
        let maximumChunks = min(maximumChunks, SpoolStore.chunksPerRequest)
        for pass in SpoolStore.passes(order, maximumBytes: maximumBytes, maximumChunks: maximumChunks) {
            while true {
                let limit = ClaimLimit(
                    bytes: pass.maximumBytes - bytes, chunks: pass.maximumChunks - claimed.count,
                    isEmpty: claimed.isEmpty)
                let slice: (chunks: [StoredChunk], isLast: Bool)
                do throws(SpoolError) {
                    slice = try withStore { store throws(SpoolError) in
                        try store.claimSlice(pass.source, limit, nowMs: nowMs)
                    }
                } catch {
                    release(claimed.map(\.id))
                    throw error
                }
                for stored in slice.chunks {
                    guard stored.chunk.stored.withUnsafeBytes(options.crc32) == stored.chunk.storedCRC else {
                        discardCorrupt(stored.id)
                        continue
                    }
                    bytes += stored.chunk.linesLength
                    claimed.append(stored)
                }
                if slice.isLast { break }
            }
        }
        if !claimed.isEmpty { CrashPoint.reach(.claimed) }
        return claimed
    }

    /// Gives chunks back. Those that are not claimed any more are ignored.
    package func release(_ chunks: [Int64]) {
        try? withStore { store in store.release(chunks) }
    }

    /// At SHUTDOWN: what older requests hold may travel a second time. The first answer settles.
    package func releaseAll() {
        try? withStore { store in store.release(Array(store.claims.keys)) }
    }

    /// What waits. Two or three look-ups in an index when something has changed since the last call.
    package func backlog() -> Backlog {
        (try? withStore { store throws(SpoolError) in try store.backlog() }) ?? Backlog()
    }

    /// Discards a claimed chunk whose content turned out not to be what its numbers say.
    package func discardCorrupt(_ id: Int64) {
        // When this fails the chunk stays claimed, so nobody sends it, until the process ends.
        try? withStore { store throws(SpoolError) in
            try store.transaction(during: "discard") { pending throws(SpoolError) in
                guard let found = try store.chunkSums(id: id) else { return }
                try store.removeChunk(id: id, sums: found.sums, isWaiting: found.isWaiting, &pending)
                store.discard(found.sums, LedgerReason.corrupt, &pending)
            }
        }
    }
}

/// What is left of a request.
struct ClaimLimit {
    var bytes: Int
    var chunks: Int
    /// Nothing is in the request yet: the first chunk may pass the limit.
    var isEmpty: Bool
}

extension SpoolStore {
    static let chunksPerRequest = 1000
    static let blobBytesPerHold = 256 << 10

    enum ClaimSource {
        case failuresNewestFirst, due, untried, notDue
    }

    /// The order as a sequence of sources, each up to its own limits of the whole request.
    static func passes(
        _ order: ClaimOrder, maximumBytes: Int, maximumChunks: Int
    ) -> [(source: ClaimSource, maximumBytes: Int, maximumChunks: Int)] {
        switch order {
        case .oldestFirst:
            [
                (.due, maximumBytes / 2, max(1, maximumChunks / 2)), (.untried, maximumBytes, maximumChunks),
                (.due, maximumBytes, maximumChunks),
            ]
        case .untriedFirst:
            [
                (.untried, maximumBytes / 2, max(1, maximumChunks / 2)), (.due, maximumBytes, maximumChunks),
                (.untried, maximumBytes, maximumChunks),
            ]
        case .shutdown:
            [ClaimSource.failuresNewestFirst, .untried, .due, .notDue].map { ($0, maximumBytes, maximumChunks) }
        }
    }

    func claimSlice(
        _ source: ClaimSource, _ limit: ClaimLimit, nowMs: Int64
    ) throws(SpoolError) -> (chunks: [StoredChunk], isLast: Bool) {
        var limit = limit
        guard limit.chunks > 0, limit.bytes > 0 else { return ([], true) }
        var result: [StoredChunk] = []
        var blobBytes = 0
        do throws(SpoolError) {
            for id in try unclaimed(source, count: limit.chunks, nowMs: nowMs) {
                guard blobBytes < Self.blobBytesPerHold else { return (result, false) }
                guard let found = try chunkSums(id: id) else { continue }
                guard limit.isEmpty || found.sums.bytes <= limit.bytes else { return (result, true) }
                guard let stored = try read(id: id) else { continue }
                blobBytes += stored.chunk.stored.count
                limit.bytes -= found.sums.bytes
                limit.isEmpty = false
                result.append(stored)
                claims[id] = Claim(sums: found.sums, isWaiting: found.isWaiting)
                oldest.value = nil
                nextRetry.value = nil
            }
        } catch {
            // What the caller never hears of must not stay claimed.
            release(result.map(\.id))
            throw error
        }
        return (result, true)
    }

    /// Ids from an index alone. Claimed rows are stepped over: they are as many as the requests under way hold.
    private func unclaimed(_ source: ClaimSource, count: Int, nowMs: Int64) throws(SpoolError) -> [Int64] {
        let (sql, values): (String, [SQLValue]) =
            switch source {
            case .failuresNewestFirst:
                (
                    """
                    SELECT id FROM chunks INDEXED BY chunks_failures WHERE priority = 2 AND retry_at_ms = 0
                    ORDER BY created_ms DESC, id DESC
                    """, []
                )
            case .untried:
                (
                    """
                    SELECT id FROM chunks INDEXED BY chunks_untried WHERE retry_at_ms = 0 ORDER BY created_ms, id
                    """, []
                )
            case .due:
                (
                    """
                    SELECT id FROM chunks INDEXED BY chunks_waiting
                    WHERE retry_at_ms > 0 AND (retry_at_ms <= ? OR retry_at_ms > ?) ORDER BY retry_at_ms, id
                    """, [.integer(nowMs), .integer(Backlog.farthestRetryMs(nowMs: nowMs))]
                )
            case .notDue:
                (
                    """
                    SELECT id FROM chunks INDEXED BY chunks_waiting WHERE retry_at_ms > 0 ORDER BY retry_at_ms, id
                    """, []
                )
            }
        var ids: [Int64] = []
        try connection.query(sql, values, during: "claim") { [claims] row in
            if claims[row.integer(0)] == nil { ids.append(row.integer(0)) }
            return ids.count < count
        }
        return ids
    }

    private func read(id: Int64) throws(SpoolError) -> StoredChunk? {
        var found: StoredChunk?
        try connection.query(
            """
            SELECT created_ms, priority, events, lines_length, attempts, stored_crc, lines_crc, ids_digest, indices,
                stored
            FROM chunks WHERE id = ?
            """, [.integer(id)], during: "claim"
        ) { row in
            found = StoredChunk(row, id: id)
            return false
        }
        return found
    }

    func release(_ ids: [Int64]) {
        for id in ids { claims[id] = nil }
        oldest.value = nil
        nextRetry.value = nil
    }

    func backlog() throws(SpoolError) -> Backlog {
        var backlog = Backlog()
        backlog.total = row.total
        var claimedWaiting = ChunkSums()
        for claim in claims.values {
            backlog.claimed = backlog.claimed + claim.sums
            if claim.isWaiting { claimedWaiting = claimedWaiting + claim.sums }
        }
        backlog.waiting = row.waiting - claimedWaiting
        backlog.ready = row.total - row.waiting - (backlog.claimed - claimedWaiting)
        if oldest.value == nil {
            oldest.value = try firstUnclaimed(
                "SELECT created_ms, id FROM chunks INDEXED BY chunks_untried WHERE retry_at_ms = 0 ORDER BY created_ms")
        }
        if nextRetry.value == nil {
            nextRetry.value = try firstUnclaimed(
                "SELECT retry_at_ms, id FROM chunks INDEXED BY chunks_waiting WHERE retry_at_ms > 0 ORDER BY retry_at_ms"
            )
        }
        backlog.oldestMs = oldest.value ?? nil
        backlog.nextRetryMs = nextRetry.value ?? nil
        return backlog
    }

    private func firstUnclaimed(_ sql: String) throws(SpoolError) -> Int64? {
        var first: Int64?
        try connection.query(sql, during: "backlog") { [claims] row in
            guard claims[row.integer(1)] == nil else { return true }
            first = Int64(row.int(0))
            return false
        }
        return first
    }
}

extension StoredChunk {
    /// A row of `created_ms, priority, events, lines_length, attempts, stored_crc, lines_crc, ids_digest, indices, stored`.
    init(_ row: SQLRow, id: Int64) {
        var chunk = Chunk(
            stored: row.blob(9), storedCRC: 0, linesCRC: UInt32(truncatingIfNeeded: row.integer(6)),
            linesLength: row.int(3), events: row.int(2), priority: Priority(rawValue: row.int(1)) ?? .line,
            idsDigest: UInt64(bitPattern: row.integer(7)),
            indices: (row.text(8) ?? "").split(separator: ",").map(String.init))
        chunk.storedCRC = chunk.unsealed(UInt32(truncatingIfNeeded: row.integer(5)))
        self.init(id: id, chunk: chunk, createdMs: Int64(row.int(0)), attempts: row.int(4))
    }
}
