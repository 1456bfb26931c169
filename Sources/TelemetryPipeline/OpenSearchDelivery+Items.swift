import TelemetryModel
import TelemetrySinks
import TelemetrySpool

/// Answers that were taken: what they confirm is settled, item by item where they do not confirm everything.
extension OpenSearchDelivery {
    func items(_ flight: BulkFlight, _ time: FlushTime) {
        let answer = flight.reader.answer
        let events = flight.chunks.reduce(0) { $0 + $1.chunk.events }
        let digest = flight.chunks.reduce(UInt64(0)) { $0 &+ $1.chunk.idsDigest }
        guard answer.items > 0 else {
            // HTML, an empty body: an unreadable 200 confirms nothing.
            refused(flight, time, event: "opensearch_answer_unreadable", status: 200)
            return
        }
        if answer.confirmsAll(events: events, digest: digest)
            || (!flight.withIDs && answer.items == events && answer.good.count == events)
        {
            accepted(flight)
            sizing.accepted()
            suspects.othersAccepted()
            var settlement = Settlement()
            settlement.chunks = flight.chunks.map { ChunkSettlement(id: $0.id, delivered: $0.chunk.events) }
            settle(settlement, flight, time)
            return
        }
        itemByItem(flight, answer, time)
    }

    func itemByItem(_ flight: BulkFlight, _ answer: BulkAnswer, _ time: FlushTime) {
        guard let settler = settler(time) else {
            breaker.abandoned()
            return release(flight)
        }
        // What another flight settled meanwhile is left out, but still counts where items are matched by position.
        var gone: Set<Int64> = []
        var counted = false
        while gone.count < flight.chunks.count {
            let result: ItemSettlement.Result
            do {
                result = try settler.settle(flight.chunks, answer, byPosition: !flight.withIDs, skipping: gone)
            } catch {
                let left = flight.chunks.filter { !gone.contains($0.id) }
                let corrupt = discardCorrupt(left)
                // Without ids nobody can say any more which item is whose.
                if !corrupt.isEmpty, flight.withIDs {
                    gone.formUnion(corrupt)
                    continue
                }
                release(flight)
                failed(time)
                notice(Notice(.error, "settle_failed", [("cause", "\(error)")]))
                return
            }
            guard !result.settlement.chunks.isEmpty else {
                if counted { return release(flight) }
                // Items, but none of ours: it confirms nothing.
                refused(flight, time, event: "opensearch_answer_unreadable", status: 200)
                return
            }
            if !counted { count(result, flight, answer) }
            counted = true
            let conflicting = settle(result.settlement, flight, time)
            if conflicting.isEmpty { return }
            gone.formUnion(conflicting)
        }
        if !counted { breaker.abandoned() }
    }

    /// Discards those of the chunks that do not hold what they were stored with: no try would ever get them out of the
    /// way of the others.
    /// - Returns: their ids.
    func discardCorrupt(_ chunks: [StoredChunk]) -> [Int64] {
        let corrupt = chunks.filter(\.isCorrupt).map(\.id)
        guard !corrupt.isEmpty else { return [] }
        for id in corrupt { spool.discardCorrupt(id) }
        notice(Notice(.error, "chunks_corrupt", [("chunks", String(corrupt.count))]))
        return corrupt
    }

    func count(_ result: ItemSettlement.Result, _ flight: BulkFlight, _ answer: BulkAnswer) {
        accepted(flight)
        if result.idsUnsupported { usesIDs = false }
        if result.delivered > 0, !answer.failed.contains(where: { $0.verdict == .retry }) {
            sizing.accepted()
            suspects.othersAccepted()
        }
        if result.unavailable > 0 {
            tell("index_unavailable", result.unavailable, answer) {
                if case .indexUnavailable = $0 { true } else { false }
            }
        }
        if result.retried > 0 { tell("documents_refused", result.retried, answer) { $0 == .retry } }
        if result.rejected > 0 {
            notice(Notice(.warning, "documents_rejected", [("documents", String(result.rejected))]))
        }
    }

    private func tell(
        _ event: String, _ documents: Int, _ answer: BulkAnswer, _ isMeant: (ItemVerdict) -> Bool
    ) {
        let statuses = Set(answer.failed.filter { isMeant($0.verdict) }.map(\.status)).sorted()
        notice(
            Notice(
                .warning, event,
                [
                    ("documents", String(documents)),
                    ("statuses", statuses.map(String.init).joined(separator: ",")),
                ]))
    }

    func settler(_ time: FlushTime) -> ItemSettlement? {
        guard let encoder else { return nil }
        return ItemSettlement(
            encoder: encoder, nowMs: time.moment.wallMs, requestBytes: requestBytes,
            wait: { [self] failures, floor in rowBackoff.wait(afterFailures: failures, floor: floor) })
    }

    /// One transaction.
    /// - Returns: chunks that another flight settled and that have to be taken out first; then nothing has changed.
    @discardableResult
    func settle(_ settlement: Settlement, _ flight: BulkFlight, _ time: FlushTime) -> [Int64] {
        var settlement = settlement
        settlement.holdsWaiting = shutdown != nil
        let touched = Set(settlement.chunks.map(\.id) + settlement.postponed.map(\.id))
        do throws(SpoolError) {
            if case .conflict(let gone) = try spool.settle(settlement) { return gone }
            if !flight.isOld { spool.release(flight.chunks.map(\.id).filter { !touched.contains($0) }) }
        } catch {
            // What was confirmed stays in the spool and is sent again: `create` answers 409.
            release(flight)
            failed(time)
            notice(Notice(.error, "settle_failed", [("cause", error.description)]))
        }
        return []
    }
}
