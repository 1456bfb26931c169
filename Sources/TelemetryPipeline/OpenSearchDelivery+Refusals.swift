import TelemetryModel
import TelemetrySinks
import TelemetrySpool

/// Requests that are refused as a whole: halved until the back end takes them, or one document is left.
extension OpenSearchDelivery {
    func tooLarge(
        _ flight: BulkFlight, _ weight: RequestVerdict.Weight, after: Duration?, _ time: FlushTime
    ) {
        sizing.refused(size: flight.chunks.reduce(0) { $0 + $1.chunk.linesLength })
        breaker.abandoned()
        guard flight.chunks.count == 1, let only = flight.chunks.first else {
            release(flight)
            if weight == .pressure { pause(after, time) }
            return
        }
        guard let settler = settler(time) else { return release(flight) }
        do {
            if only.chunk.events > 1 {
                settle(try settler.split(only), flight, time)
                if weight == .pressure { pause(after, time) }
            } else if weight == .tooLarge {
                let rejected = try settler.rejectAll(
                    only, status: 413, reason: LedgerReason.tooLarge, type: "request_too_large", text: "")
                settle(rejected, flight, time)
                notice(Notice(.warning, "documents_rejected", [("documents", "1"), ("status", "413")]))
            } else {
                let wait = rowBackoff.wait(afterFailures: max(0, only.attempts) + 1, floor: after ?? .zero)
                settle(
                    settler.postponed(only, retryAtMs: time.moment.wallMs + max(1, wait.milliseconds)), flight,
                    time)
                failed(time, after: after)
            }
        } catch {
            if !discardCorrupt([only]).isEmpty { return }
            release(flight)
            failed(time)
        }
    }

    /// Back-pressure that halving may cure: a short wait that does not open the breaker on the way down.
    func pause(_ after: Duration?, _ time: FlushTime) {
        breaker.pause(at: time.moment, for: after)
    }

    func badRequest(_ flight: BulkFlight, _ status: Int, _ time: FlushTime) {
        if flight.compressed, gzip.gzipFailed(closed: false, at: time.moment) { return resendPlain(flight) }
        breaker.abandoned()
        if !flight.compressed { gzip.plainFailed() }
        notice(Notice(.warning, "opensearch_bad_request", [("status", String(status))]))
        sizing.refused(size: flight.chunks.reduce(0) { $0 + $1.chunk.linesLength })
        guard flight.chunks.count == 1, let only = flight.chunks.first else {
            release(flight)
            pause(nil, time)
            return
        }
        guard let settler = settler(time) else { return release(flight) }
        do {
            if only.chunk.events > 1 {
                settle(try settler.split(only), flight, time)
            } else if suspects.isGuilty(only.chunk.idsDigest) {
                let rejected = try settler.rejectAll(
                    only, status: status, reason: LedgerReason.document, type: "request_refused", text: "")
                settle(rejected, flight, time)
                suspects.forget(only.chunk.idsDigest)
                notice(Notice(.warning, "documents_rejected", [("documents", "1"), ("status", String(status))]))
            } else {
                suspects.suspect(only.chunk.idsDigest)
                let wait = rowBackoff.wait(afterFailures: max(0, only.attempts) + 1)
                settle(
                    settler.postponed(only, retryAtMs: time.moment.wallMs + max(1, wait.milliseconds)), flight,
                    time)
                failed(time)
            }
        } catch {
            if !discardCorrupt([only]).isEmpty { return }
            release(flight)
            failed(time)
        }
    }
}
