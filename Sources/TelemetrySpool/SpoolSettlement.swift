import TelemetryModel

extension Spool {
    /// Settles a request in one transaction: deletions, rows to send again, rejects, ledger. It counts only rows that it
    /// removed itself, so that the answers of two requests that held the same chunks count once. The claims on the
    /// chunks end with it.
    ///
    /// It works on a full disk, in the room that the WAL always keeps.
    package func settle(_ settlement: Settlement) throws(SpoolError) -> SettlementResult {
        CrashPoint.reach(.settleBegun)
        return try withStore { store throws(SpoolError) in
            do throws(SpoolError) {
                return try store.settle(settlement)
            } catch .full {
                // The WAL is at the end of the blocks it has. Copied back it starts again from its beginning; the
                // blocks of the database were set aside when the rows came.
                try store.checkpoint()
            }
            do throws(SpoolError) {
                return try store.settle(settlement)
            } catch .full {
                return try store.settleInParts(settlement)
            }
        }
    }
}

extension SpoolStore {
    func settle(_ settlement: Settlement) throws(SpoolError) -> SettlementResult {
        try checkSources(of: settlement)
        var present: [(settled: ChunkSettlement, sums: ChunkSums, isWaiting: Bool)] = []
        var counts = SettledCounts()
        var goneSources: [Int64] = []
        for settled in settlement.chunks {
            guard let found = try chunkSums(id: settled.id) else {
                counts.gone += 1
                if settled.requeued > 0 { goneSources.append(settled.id) }
                continue
            }
            guard settled.delivered >= 0, settled.requeued >= 0,
                settled.delivered + settled.rejected.count + settled.requeued == found.sums.events
            else { throw .internal("settlement_events") }
            present.append((settled, found.sums, found.isWaiting))
        }
        guard goneSources.isEmpty else { return .conflict(gone: goneSources) }
        let now = options.wallClockMs()
        let firstNew = row.nextChunk
        counts = try transaction(during: "settle", before: .settleBeforeCommit, after: .settleAfterCommit) {
            [present, counts] pending throws(SpoolError) in
            var counts = counts
            var rejects: [RejectedDocument] = []
            for (settled, sums, isWaiting) in present {
                try removeChunk(id: settled.id, sums: sums, isWaiting: isWaiting, &pending)
                pending.ledger.add(-(sums.events - settled.requeued), .spooled)
                pending.ledger.add(settled.delivered, .delivered)
                for reject in settled.rejected { pending.ledger.add(1, .rejected, reject.reason) }
                rejects += settled.rejected
                counts.chunks += 1
                counts.delivered += settled.delivered
                counts.rejected += settled.rejected.count
                counts.requeued += settled.requeued
            }
            for requeued in settlement.requeued {
                try insertChunk(
                    requeued.chunk, createdMs: requeued.createdMs, attempts: requeued.attempts,
                    retryAtMs: max(1, requeued.retryAtMs), &pending)
            }
            for postponed in settlement.postponed { try postpone(postponed, &pending) }
            try insert(rejects, createdMs: now, &pending)
            return counts
        }
        release(settlement.chunks.map(\.id))
        guard settlement.holdsWaiting else {
            release(settlement.postponed.map(\.id))
            return .settled(counts)
        }
        for (offset, requeued) in settlement.requeued.enumerated() where requeued.retryAtMs > now {
            let sums = ChunkSums(chunks: 1, events: requeued.chunk.events, bytes: requeued.chunk.linesLength)
            claims[firstNew + Int64(offset)] = Claim(sums: sums, isWaiting: true)
        }
        for postponed in settlement.postponed { claims[postponed.id]?.isWaiting = true }
        return .settled(counts)
    }

    /// For a request of so many scattered rows that even the whole room of the WAL does not take them at once. What became
    /// of one chunk stays one transaction, and a row to send again comes with the last of the chunks it is made of.
    func settleInParts(_ settlement: Settlement) throws(SpoolError) -> SettlementResult {
        var counts = SettledCounts()
        for part in settlement.parts(of: Self.rowsPerPart) {
            try checkpoint()
            do throws(SpoolError) {
                switch try settle(part) {
                case .settled(let settled): counts.add(settled)
                case .conflict(let gone): return .conflict(gone: gone)
                }
            } catch .full where !part.requeued.isEmpty {
                // Its sources are more than the room takes. As they are they can wait: what was delivered of them is
                // there already when they are sent again.
                for waiting in part.sourcesPostponed.parts(of: Self.rowsPerPart) {
                    try checkpoint()
                    _ = try settle(waiting)
                }
            }
        }
        return .settled(counts)
    }

    /// A row that goes may change three pages that no other one does: its own, one of the list of free pages, and one of
    /// the map of pages. With the indices that is less than the room of the WAL, which is 254 frames.
    private static let rowsPerPart = 64

    private func checkSources(of settlement: Settlement) throws(SpoolError) {
        var bySource: [Int64: Int] = [:]
        for requeued in settlement.requeued {
            guard requeued.sources.reduce(0, { $0 + $1.events }) == requeued.chunk.events else {
                throw .internal("requeued_events")
            }
            for source in requeued.sources { bySource[source.chunk, default: 0] += source.events }
        }
        var seen: Set<Int64> = []
        for settled in settlement.chunks {
            guard seen.insert(settled.id).inserted else { throw .internal("settled_twice") }
            guard bySource.removeValue(forKey: settled.id) ?? 0 == settled.requeued else {
                throw .internal("requeued_sources")
            }
        }
        guard bySource.isEmpty else { throw .internal("requeued_sources") }
    }

    private func postpone(_ postponed: Postponement, _ pending: inout Pending) throws(SpoolError) {
        guard let found = try chunkSums(id: postponed.id) else { return }
        try connection.run(
            "UPDATE chunks SET attempts = COALESCE(?, attempts), retry_at_ms = ? WHERE id = ?",
            [
                postponed.attempts.map(SQLValue.integer) ?? .null, .integer(max(1, postponed.retryAtMs)),
                .integer(postponed.id),
            ],
            during: "settle")
        guard !found.isWaiting else { return }
        pending.row.waiting = pending.row.waiting + found.sums
        pending.postponed.append((postponed.id, found.sums))
    }
}
