import Synchronization
import TelemetryModel

package struct MaintenanceOutcome: Equatable, Sendable {
    /// Another call would do more: come back soon, but let appends and requests pass first.
    package var hasMore: Bool

    package init(hasMore: Bool) {
        self.hasMore = hasMore
    }
}

extension Spool {
    /// One slice of housekeeping, for the flush thread after the first `next`: the checkpoint, then one of salvaging,
    /// recounting, discarding what a lowered bound has no room for, and shrinking. Never more than a few milliseconds
    /// under the mutex; what fails is tried again by a later call.
    /// - Parameter isDelivering: requests are on their way: rows that are about to be deleted are not moved for the sake
    ///   of a shorter file, unless the disk is short.
    package func maintain(nowMs: Int64, isDelivering: Bool = false) -> MaintenanceOutcome {
        verifyFileWhenDue(nowMs: nowMs)
        let mayShrink = waitingAppends.load(ordering: .relaxed) == 0
        let hasMore = try? withStore { store throws(SpoolError) in
            try store.maintain(mayShrink: mayShrink, isDelivering: isDelivering)
        }
        return MaintenanceOutcome(hasMore: hasMore ?? false)
    }
}

extension SpoolStore {
    static let checkpointFrames = SpoolSchema.walRoom / SpoolSchema.frameSize
    /// 256 pages a slice: unsliced, giving back 291 MiB took 0.58 s under the mutex and 240 MiB of WAL.
    static let vacuumPages = 256
    /// Free pages that a spool in use keeps, for what comes next: 4 MiB, or a quarter of the file.
    static let keptFreePages = 1024
    private static let recountRows = 500
    private static let discardedChunks = 64

    func checkpoint() throws(SpoolError) {
        CrashPoint.reach(.checkpointBefore)
        try connection.checkpoint()
        CrashPoint.reach(.checkpointAfter)
        space.checkpointed()
        file.mark?.checkpointed()
        file.forgetReserve()
    }

    /// True when there is more to do.
    func maintain(mayShrink: Bool, isDelivering: Bool) throws(SpoolError) -> Bool {
        if connection.framesInWAL > Self.checkpointFrames { try checkpoint() }
        space.measure()
        // What is only evidence is the first that the function gets back.
        if space.isShort, discardEvidence() { return true }
        if isSalvageDue, try salvageSliceOrLater() { return true }
        if recount != nil { return try recountSlice() }
        if try discardAboveBound() { return true }
        return mayShrink ? try shrinkSlice(isDelivering: isDelivering) : false
    }

    // MARK: Recount

    private func recountSlice() throws(SpoolError) -> Bool {
        guard var counting = recount else { return false }
        var rows = 0
        try connection.query(
            """
            SELECT id, events, lines_length, retry_at_ms FROM chunks WHERE id > ? AND id < ? ORDER BY id
            LIMIT \(Self.recountRows)
            """, [.integer(counting.cursor), .integer(counting.end)], during: "recount"
        ) { row in
            counting.count(
                id: row.integer(0), sums: ChunkSums(chunks: 1, events: row.int(1), bytes: row.int(2)),
                isWaiting: row.integer(3) > 0)
            rows += 1
            return true
        }
        recount = counting
        guard rows < Self.recountRows else { return true }
        let missing = counting.missingEvents
        if missing != 0 || counting.missing != ChunkSums() || counting.missingWaiting != ChunkSums() {
            try transaction(during: "recount") { [counting] pending throws(SpoolError) in
                // A backlog of rows that are not there would never be empty.
                pending.row.total = pending.row.total - counting.missing
                pending.row.waiting = pending.row.waiting - counting.missingWaiting
                pending.ledger.add(-missing, .spooled)
                if missing > 0 {
                    pending.ledger.add(missing, .discarded, LedgerReason.unaccounted)
                } else {
                    // More rows than the books know: somebody received them.
                    pending.ledger.add(-missing, .received)
                }
            }
        }
        if missing != 0 {
            notices.append(Notice(.error, "recount", [(name: "unaccounted", value: String(missing))]))
        }
        recount = nil
        return true
    }

    // MARK: Space

    /// A bound that was lowered between two processes: whole chunks go until the files can shrink below it.
    private func discardAboveBound() throws(SpoolError) -> Bool {
        let counts = try pageCounts()
        guard space.filesOnDisk(pages: counts.all - counts.free) > space.bound else { return false }
        if discardEvidence() { return true }
        let gone = try transaction(during: "retention", before: .evictBeforeCommit) {
            pending throws(SpoolError) in
            var discarded = ChunkSums()
            for _ in 0..<Self.discardedChunks {
                let counts = try pageCounts()
                guard space.filesOnDisk(pages: counts.all - counts.free) > space.bound,
                    let victim = try lowestUnclaimed(), let found = try chunkSums(id: victim.id)
                else { break }
                try removeChunk(id: victim.id, sums: found.sums, isWaiting: found.isWaiting, &pending)
                discarded = discarded + found.sums
            }
            discard(discarded, LedgerReason.spoolFull, &pending)
            pending.hasEvicted = discarded.chunks > 0
            return discarded.chunks
        }
        return gone > 0
    }

    /// Gives pages back to the file system. To do so in the middle of a file is to move the rows behind: not while those
    /// are on their way out of it, unless the disk is short.
    private func shrinkSlice(isDelivering: Bool) throws(SpoolError) -> Bool {
        let counts = try pageCounts()
        let used = counts.all - counts.free
        if row.total.chunks == 0, counts.free > Self.vacuumPages, used <= Self.vacuumPages {
            CrashPoint.reach(.shrinkBefore)
            try connection.run("VACUUM", during: "shrink")
            CrashPoint.reach(.shrinkAfter)
            committed()
            try checkpoint()
            return true
        }
        // When the disk runs short the function gets every page that is free; otherwise some stay for what comes next.
        let isAboveBound = space.filesOnDisk(pages: counts.all) > space.bound
        let mayWait = isDelivering && row.total.chunks > 0 && !isAboveBound && !space.isShort
        let kept = isAboveBound ? 0 : space.isShort ? Self.vacuumPages : max(Self.keptFreePages, counts.all / 4)
        if (counts.free > kept && !mayWait) || (row.total.chunks == 0 && counts.free > Self.vacuumPages) {
            CrashPoint.reach(.shrinkBefore)
            try connection.run("PRAGMA incremental_vacuum(\(Self.vacuumPages))", during: "shrink")
            CrashPoint.reach(.shrinkAfter)
            committed()
            try checkpoint()
            return true
        }
        if space.isWALCutDue {
            try connection.run("UPDATE environment SET id = id WHERE id = 1", during: "shrink")
            committed()
        }
        return false
    }
}
