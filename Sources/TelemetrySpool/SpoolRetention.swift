import TelemetryModel

/// What a transaction takes, at most.
struct PageNeed {
    /// Pages of the database beyond those it has.
    var pages = 0
    /// Frames of the WAL: those pages, and those that are written anew.
    var frames = 0
}

extension SpoolStore {
    func pageCounts() throws(SpoolError) -> (all: Int, free: Int) {
        let all = try connection.integer("PRAGMA page_count", during: "retention") ?? 0
        let free = try connection.integer("PRAGMA freelist_count", during: "retention") ?? 0
        return (Int(all), Int(free))
    }

    /// True when `pages` more pages, and `walBytes` more of the WAL, fit: into free pages of the file, or by growing within
    /// what is allowed.
    private func fits(pages: Int, walBytes: Int = 0) throws(SpoolError) -> Bool {
        let counts = try pageCounts()
        let grown = max(0, pages - counts.free) * SpoolSchema.pageSize + walBytes
        return grown <= 0 || grown <= space.growth(pages: counts.all)
    }

    /// Before a transaction with this need: everything that makes room without losing anything.
    func prepareRoom(for need: PageNeed) throws(SpoolError) {
        space.measure()
        if try fits(pages: need.pages, walBytes: space.walGrowth(frames: need.frames)) { return }
        space.measure(now: true)
        if space.walFrames > 0 { try? checkpoint() }
        if try fits(pages: need.pages, walBytes: space.walGrowth(frames: need.frames)) { return }
        discardEvidence()
        if try !fits(pages: need.pages), space.isDiskFull { throw .full }
        // No chunk that goes makes the WAL shorter. What one transaction takes of it, behind a checkpoint, goes back with
        // the next one: it may pass the bound, but never what the disk has left.
        let walBytes = space.walGrowth(frames: need.frames)
        guard walBytes > 0 else { return }
        let spare = space.spare(pages: try pageCounts().all)
        guard space.walFrames == 0, walBytes <= spare else { throw .full }
    }

    /// For rows that had their place within the bound before: the disk alone decides whether they may have it again while
    /// the file they come from is still there.
    func prepareRoomOnDisk(pages: Int) throws(SpoolError) {
        func fits() throws(SpoolError) -> Bool {
            let counts = try pageCounts()
            let grown = max(0, pages - counts.free) * SpoolSchema.pageSize + space.walGrowth(frames: pages)
            return grown <= 0 || grown <= space.spare(pages: counts.all)
        }
        space.measure()
        if try fits() { return }
        space.measure(now: true)
        if space.walFrames > 0 { try? checkpoint() }
        guard try fits() else { throw .full }
    }

    /// Inside a transaction that needs `pages`: discards whole chunks of the lowest priority, oldest first, claimed ones
    /// passed over, until it has them. A new chunk of lower priority than everything stored is itself the one.
    ///
    /// - Returns: those of `chunks` to store.
    func makeRoom(pages: Int, for chunks: [Chunk], _ pending: inout Pending) throws(SpoolError) -> [Chunk] {
        if try fits(pages: pages) { return chunks }
        var kept = chunks.enumerated().sorted { ($0.element.priority, $0.offset) < ($1.element.priority, $1.offset) }
        var needed = pages
        var discarded = ChunkSums()
        while try !fits(pages: needed) {
            let victim = try lowestUnclaimed()
            if let lowest = kept.first?.element, let victim, lowest.priority < victim.priority {
                kept.removeFirst()
                needed -= lowest.stored.count / SpoolSchema.pageSize + 1
                discarded = discarded + ChunkSums(chunks: 1, events: lowest.events, bytes: lowest.linesLength)
                continue
            }
            guard let victim, let found = try chunkSums(id: victim.id) else { throw .full }
            try removeChunk(id: victim.id, sums: found.sums, isWaiting: found.isWaiting, &pending)
            discarded = discarded + found.sums
        }
        discard(discarded, LedgerReason.spoolFull, &pending)
        pending.hasEvicted = true
        CrashPoint.reach(.evictBeforeCommit)
        return kept.sorted { $0.offset < $1.offset }.map(\.element)
    }

    func discard(_ sums: ChunkSums, _ reason: String, _ pending: inout Pending) {
        guard sums.chunks > 0 else { return }
        pending.ledger.add(-sums.events, .spooled)
        pending.ledger.add(sums.events, .discarded, reason)
        pending.notices.append(
            Notice(
                .warning, "discarded",
                [(name: "reason", value: reason), (name: "events", value: String(sums.events))]))
    }

    func lowestUnclaimed() throws(SpoolError) -> (id: Int64, priority: Priority)? {
        var found: (Int64, Priority)?
        try connection.query(
            "SELECT id, priority FROM chunks INDEXED BY chunks_by_priority ORDER BY priority, created_ms, id",
            during: "retention"
        ) { [claims] row in
            guard claims[row.integer(0)] == nil else { return true }
            found = (row.integer(0), Priority(rawValue: row.int(1)) ?? .line)
            return false
        }
        return found
    }
}
