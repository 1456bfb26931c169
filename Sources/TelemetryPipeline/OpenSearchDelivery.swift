import Deflate
import HTTPTransport
import TelemetryModel
import TelemetrySinks
import TelemetrySpool

/// Drains the spool's chunks to OpenSearch: claims, sends, reads the answer, settles. Lives on the flush thread.
///
/// What it keeps in memory is how to talk to the back end (sizes, compression, breaker, which names are set up). What is
/// to be sent is in the spool alone.
final class OpenSearchDelivery {
    /// How long the server may wait for a primary: below ``StallWatch/answering``.
    private static let serverWaitSeconds = 30

    private let spool: Spool
    private let policy: FlushPolicy
    private let loop: TransferLoop
    private let credentials: CredentialStore
    private let endpoint: Endpoint
    private let notice: NoticeSink
    private let encoder: ChunkEncoder?
    private let requestBytes: Int

    private var breaker: CircuitBreaker
    private var rowBackoff: Backoff
    private var sizing: RequestSizing
    private var gzip = GzipPreference()
    private var suspects = SuspectDocuments()
    private var usesIDs = true
    private var setup: IndexPreparation
    private var flights: [TransferID: BulkFlight] = [:]
    /// Claimed, and waiting for an index, for credentials, or to be sent once more without compression.
    private var pending: PendingBulk?
    /// A flush that became due goes on until nothing is left to claim.
    private var flushing = false
    private var shutdown: ShutdownPhase?

    private struct PendingBulk {
        var chunks: [StoredChunk]
        /// A resend of what was refused with gzip.
        var plain = false
    }

    /// The drain at SHUTDOWN: one request until the first answer, then up to four.
    private struct ShutdownPhase {
        static let parallel = 4
        /// Smaller than usual: one answer confirms one request, and there may be time for few.
        static let requestBytes = 1 << 20
        static let probeLimit: Duration = .milliseconds(500)

        var answered = false
        var gaveUp = false
        /// Nothing could be claimed at the last look.
        var exhausted = false
        /// Set when the breaker was open at SHUTDOWN: one probe may take until then.
        var probeUntil: Moment?
    }

    init(
        endpoint: Endpoint, configuration: FlushConfiguration, spool: Spool, policy: FlushPolicy, loop: TransferLoop,
        credentials: CredentialStore, seed: UInt64, notice: @escaping NoticeSink
    ) {
        self.endpoint = endpoint
        self.spool = spool
        self.policy = policy
        self.loop = loop
        self.credentials = credentials
        self.notice = notice
        self.requestBytes = configuration.requestBytes
        self.encoder = try? ChunkEncoder(level: configuration.compressionLevel)
        self.breaker = CircuitBreaker(seed: seed)
        self.rowBackoff = Backoff(seed: seed ^ 0x5bd1_e995)
        self.sizing = RequestSizing(maximum: configuration.requestBytes)
        self.setup = IndexPreparation(endpoint: endpoint, configuration: configuration, notice: notice)
    }

    var isBreakerOpen: Bool { breaker.isOpen }
    /// Requests are on their way, or a due flush has more to send and may.
    var isBusy: Bool { !flights.isEmpty || setup.isRunning || pending != nil || flushing }

    /// Nothing more can be done at SHUTDOWN.
    var isDrained: Bool {
        guard let shutdown else { return false }
        if shutdown.gaveUp { return true }
        return shutdown.exhausted && pending == nil && !flights.values.contains { !$0.isOld }
    }

    // MARK: Steps

    /// Starts what may be started. - Returns: how long nothing will be due, nil: until something happens.
    func step(_ time: FlushTime, shuttingDown: Bool) -> Duration? {
        var wait = checkFlights(time)
        while true {
            guard shutdown?.gaveUp != true, hasRoom else { return wait }
            if shutdown == nil || shutdown?.probeUntil != nil, pending?.plain != true,
                let refusal = breaker.refusal(at: time.moment)
            {
                if case .until(let moment) = refusal { wait = shorter(wait, moment.elapsed(since: time.moment)) }
                if backlogIsEmpty { flushing = false }
                return wait
            }
            if pending == nil {
                switch claim(time) {
                case .claimed(let chunks): pending = PendingBulk(chunks: chunks)
                case .nothing(let next): return shorter(wait, next)
                }
            }
            guard let bulk = pending else { return wait }
            switch credentials.authentication(for: endpoint, time) {
            case .pending(let until):
                return shorter(wait, until.map { $0.elapsed(since: time.moment) })
            case .ready(let authentication):
                if shutdown == nil {
                    switch setup.prepare(for: bulk.chunks, authentication, loop, time) {
                    case .ready: break
                    case .running: return wait
                    case .failed:
                        breaker.failed(at: time.moment)
                        giveBack()
                        continue
                    }
                }
                pending = nil
                start(bulk, authentication, time)
            }
        }
    }

    private var backlogIsEmpty: Bool { spool.backlog().isEmpty }

    private var hasRoom: Bool {
        guard let shutdown else { return flights.isEmpty && !setup.isRunning }
        let running = flights.values.filter { !$0.isOld }.count
        return running < (shutdown.answered && shutdown.probeUntil == nil ? ShutdownPhase.parallel : 1)
    }

    private enum Claimed {
        case claimed([StoredChunk])
        case nothing(next: Duration?)
    }

    private func claim(_ time: FlushTime) -> Claimed {
        let nowMs = time.moment.wallMs
        if shutdown == nil, !flushing {
            let backlog = spool.backlog()
            let retryDue = backlog.nextRetryMs.map { $0 <= nowMs } ?? false
            let decision = policy.decision(
                events: backlog.ready.events, bytes: backlog.ready.bytes, oldestMs: backlog.oldestMs, nowMs: nowMs)
            if decision == .flush || retryDue {
                flushing = true
            } else {
                var wait: Duration?
                if case .wait(let left) = decision { wait = left }
                return .nothing(next: shorter(wait, backlog.nextRetryMs.map { .milliseconds(max(1, $0 - nowMs)) }))
            }
        }
        let limit = shutdown == nil ? sizing.limit : min(sizing.limit, ShutdownPhase.requestBytes)
        do throws(SpoolError) {
            let chunks = try spool.claim(
                shutdown == nil ? .oldestFirst : .shutdown, maximumBytes: limit, maximumChunks: 1000, nowMs: nowMs)
            if !chunks.isEmpty {
                shutdown?.exhausted = false
                return .claimed(chunks)
            }
        } catch {
            notice(Notice(.error, "claim_failed", [("cause", error.description)]))
            flushing = false
            shutdown?.exhausted = true
            return .nothing(next: .seconds(1))
        }
        flushing = false
        shutdown?.exhausted = true
        let next = spool.backlog().nextRetryMs
        return .nothing(next: next.map { .milliseconds(max(1, $0 - nowMs)) })
    }

    private func start(_ bulk: PendingBulk, _ authentication: HTTPAuthentication, _ time: FlushTime) {
        let compressed = !bulk.plain && usesIDs && gzip.usesGzip(at: time.moment)
        do {
            let builder = BulkRequest(
                endpoint: endpoint, authentication: authentication,
                serverWaitSeconds: shutdown == nil ? Self.serverWaitSeconds : 1)
            let pieces = bulk.chunks.map { BulkRequest.Piece($0.chunk) }
            let request =
                if compressed {
                    builder.gzip(pieces)
                } else if usesIDs {
                    try builder.plain(pieces)
                } else {
                    builder.plain(lines: BulkLines.withoutIDs(try BulkRequest.lines(of: pieces)))
                }
            let reader = AnswerReader()
            let transfer = try WatchedTransfer.start(request, on: loop, time, onBody: { reader.feed($0) })
            flights[transfer.id] = BulkFlight(
                chunks: bulk.chunks, compressed: compressed, withIDs: usesIDs, reader: reader, transfer: transfer)
            breaker.began()
            CrashPoint.reach(.requestStarted)
        } catch {
            spool.release(bulk.chunks.map(\.id))
            breaker.failed(at: time.moment)
            notice(Notice(.error, "request_failed_to_start", [("cause", "\(error)")]))
        }
    }

    private func giveBack() {
        if let pending { spool.release(pending.chunks.map(\.id)) }
        pending = nil
    }

    // MARK: Freeze, standstill, SHUTDOWN

    func froze(_ time: FlushTime) {
        for id in flights.keys { flights[id]?.transfer.froze(time) }
        setup.froze(time)
    }

    private func checkFlights(_ time: FlushTime) -> Duration? {
        var wait: Duration?
        if let until = shutdown?.probeUntil {
            let left = until.elapsed(since: time.moment)
            if left <= .zero { shutdown?.gaveUp = true } else { wait = left }
        }
        for (id, flight) in flights {
            var transfer = flight.transfer
            let verdict = transfer.check(loop, time)
            flights[id]?.transfer = transfer
            switch verdict {
            case .waiting(let left): wait = shorter(wait, left)
            case .stalled, .lostInFreeze:
                loop.cancel(id)
                flights[id] = nil
                spool.release(flight.chunks.map(\.id))
                if verdict == .stalled {
                    breaker.failed(at: time.moment)
                    notice(Notice(.warning, "opensearch_stalled", [("chunks", String(flight.chunks.count))]))
                } else {
                    breaker.abandoned()
                }
            }
        }
        if setup.checkStall(loop, time) { breaker.failed(at: time.moment) }
        return shorter(wait, setup.isRunning ? .seconds(1) : nil)
    }

    /// Requests begun before go on; what they carry may travel a second time, and the first answer settles.
    func beginShutdown(_ time: FlushTime) {
        giveBack()
        setup.cancel(loop)
        spool.releaseAll()
        for id in flights.keys { flights[id]?.isOld = true }
        var phase = ShutdownPhase()
        if breaker.isOpen { phase.probeUntil = time.moment + ShutdownPhase.probeLimit }
        breaker.expireWait()
        breaker.abandoned()
        shutdown = phase
    }

    // MARK: Answers

    func handle(_ completion: TransferCompletion, _ time: FlushTime) -> Bool {
        if let outcome = setup.handle(completion, time) {
            if case .failed(let retryAfter) = outcome {
                breaker.failed(at: time.moment, retryAfter: retryAfter)
                giveBack()
            }
            return true
        }
        guard let flight = flights.removeValue(forKey: completion.id) else { return false }
        CrashPoint.reach(.answerReceived)
        switch completion.result {
        case .success(let response): answered(flight, response, time)
        case .failure(let error): broke(flight, error, completion, time)
        }
        return true
    }

    private func answered(_ flight: BulkFlight, _ response: HTTPResponse, _ time: FlushTime) {
        shutdown?.answered = true
        let verdict = RequestVerdict(status: response.status, retryAfter: response.header("Retry-After"))
        switch verdict {
        case .items: items(flight, time)
        case .split(let weight, let after): tooLarge(flight, weight, after: after, time)
        case .badRequest: badRequest(flight, response.status, time)
        case .unauthorized:
            credentials.refused(at: time.moment)
            refused(flight, time, floor: .seconds(5), event: "opensearch_unauthorized", status: response.status)
        case .notFound:
            refused(flight, time, floor: .seconds(5), event: "opensearch_not_found", status: response.status)
        case .closedWithoutAnswer: refused(flight, time, event: "opensearch_failed", status: response.status)
        case .retry(let after):
            refused(flight, time, after: after, event: "opensearch_failed", status: response.status)
        }
    }

    private func broke(
        _ flight: BulkFlight, _ error: HTTPError, _ completion: TransferCompletion, _ time: FlushTime
    ) {
        // An answer that broke off confirms the items that had come.
        if flight.reader.answer.items > 0 { return items(flight, time) }
        if flight.compressed, error == .closedWithoutAnswer || error == .interrupted, completion.bytesReceived == 0,
            gzip.gzipFailed(closed: true, at: time.moment)
        {
            resendPlain(flight)
            return
        }
        if !flight.compressed { gzip.plainFailed() }
        spool.release(flight.chunks.map(\.id))
        if flight.transfer.isFrozen {
            breaker.abandoned()
        } else {
            failed(time)
            notice(Notice(.warning, "opensearch_unreachable", [("cause", error.description)]))
        }
    }

    private func refused(
        _ flight: BulkFlight, _ time: FlushTime, after: Duration? = nil, floor: Duration = .zero, event: String,
        status: Int
    ) {
        spool.release(flight.chunks.map(\.id))
        failed(time, after: after, floor: floor)
        notice(Notice(.warning, event, [("status", String(status))]))
    }

    private func failed(_ time: FlushTime, after: Duration? = nil, floor: Duration = .zero) {
        breaker.failed(at: time.moment, retryAfter: after, floor: floor)
        guard var phase = shutdown else { return }
        // The customer pays for this time: a back end that is known to be down gets one probe.
        if phase.probeUntil != nil || breaker.isOpen { phase.gaveUp = true }
        shutdown = phase
    }

    private func resendPlain(_ flight: BulkFlight) {
        breaker.abandoned()
        if pending == nil {
            pending = PendingBulk(chunks: flight.chunks, plain: true)
        } else {
            gzip.plainFailed()
            spool.release(flight.chunks.map(\.id))
        }
    }

    private func accepted(_ flight: BulkFlight) {
        breaker.succeeded()
        shutdown?.probeUntil = nil
        if flight.compressed { gzip.gzipAccepted() } else { gzip.plainAccepted() }
    }

    // MARK: Items

    private func items(_ flight: BulkFlight, _ time: FlushTime) {
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
            settle(settlement, flight.chunks, time)
            return
        }
        itemByItem(flight, answer, time)
    }

    private func itemByItem(_ flight: BulkFlight, _ answer: BulkAnswer, _ time: FlushTime) {
        guard let settler = settler(time) else { return spool.release(flight.chunks.map(\.id)) }
        var chunks = flight.chunks
        var counted = false
        while !chunks.isEmpty {
            let result: ItemSettlement.Result
            do {
                result = try settler.settle(chunks, answer, byPosition: !flight.withIDs)
            } catch {
                spool.release(chunks.map(\.id))
                failed(time)
                notice(Notice(.error, "settle_failed", [("cause", "\(error)")]))
                return
            }
            guard !result.settlement.chunks.isEmpty else {
                // Items, but none of ours: it confirms nothing.
                refused(flight, time, event: "opensearch_answer_unreadable", status: 200)
                return
            }
            if !counted { count(result, flight, answer) }
            counted = true
            let gone = settle(result.settlement, chunks, time)
            if gone.isEmpty { return }
            // Another flight settled these meanwhile: the rest is gathered without them.
            chunks.removeAll { gone.contains($0.id) }
        }
    }

    private func count(_ result: ItemSettlement.Result, _ flight: BulkFlight, _ answer: BulkAnswer) {
        accepted(flight)
        if result.idsUnsupported { usesIDs = false }
        if result.delivered > 0, !answer.failed.contains(where: { $0.verdict == .retry }) {
            sizing.accepted()
            suspects.othersAccepted()
        }
        if result.unavailable > 0 {
            let statuses = Set(answer.failed.map(\.status)).sorted().map(String.init).joined(separator: ",")
            notice(
                Notice(
                    .warning, "index_unavailable",
                    [("documents", String(result.unavailable)), ("statuses", statuses)]))
        }
        if result.rejected > 0 {
            notice(Notice(.warning, "documents_rejected", [("documents", String(result.rejected))]))
        }
    }

    private func settler(_ time: FlushTime) -> ItemSettlement? {
        guard let encoder else { return nil }
        return ItemSettlement(
            encoder: encoder, nowMs: time.moment.wallMs, requestBytes: requestBytes,
            wait: { [self] failures, floor in rowBackoff.wait(afterFailures: failures, floor: floor) })
    }

    /// One transaction.
    /// - Returns: chunks that another flight settled and that have to be taken out first; then nothing has changed.
    @discardableResult
    private func settle(_ settlement: Settlement, _ chunks: [StoredChunk], _ time: FlushTime) -> [Int64] {
        var settlement = settlement
        settlement.holdsWaiting = shutdown != nil
        let touched = Set(settlement.chunks.map(\.id) + settlement.postponed.map(\.id))
        do throws(SpoolError) {
            if case .conflict(let gone) = try spool.settle(settlement) { return gone }
            spool.release(chunks.map(\.id).filter { !touched.contains($0) })
        } catch {
            // What was confirmed stays in the spool and is sent again: `create` answers 409.
            spool.release(chunks.map(\.id))
            failed(time)
            notice(Notice(.error, "settle_failed", [("cause", error.description)]))
        }
        return []
    }

    // MARK: Requests that are refused as a whole

    private func tooLarge(
        _ flight: BulkFlight, _ weight: RequestVerdict.Weight, after: Duration?, _ time: FlushTime
    ) {
        sizing.refused(size: flight.chunks.reduce(0) { $0 + $1.chunk.linesLength })
        breaker.abandoned()
        guard flight.chunks.count == 1, let only = flight.chunks.first else {
            spool.release(flight.chunks.map(\.id))
            if weight == .pressure { pause(after, time) }
            return
        }
        guard let settler = settler(time) else { return spool.release([only.id]) }
        do {
            if only.chunk.events > 1 {
                settle(try settler.split(only), flight.chunks, time)
                if weight == .pressure { pause(after, time) }
            } else if weight == .tooLarge {
                let rejected = try settler.rejectAll(
                    only, status: 413, reason: LedgerReason.tooLarge, type: "request_too_large", text: "")
                settle(rejected, flight.chunks, time)
                notice(Notice(.warning, "documents_rejected", [("documents", "1"), ("status", "413")]))
            } else {
                let wait = rowBackoff.wait(afterFailures: only.attempts + 1, floor: after ?? .zero)
                settle(
                    settler.postponed(only, retryAtMs: time.moment.wallMs + max(1, wait.milliseconds)), flight.chunks,
                    time)
                failed(time, after: after)
            }
        } catch {
            spool.release([only.id])
            failed(time)
        }
    }

    /// Back-pressure that halving may cure: a short wait that does not open the breaker on the way down.
    private func pause(_ after: Duration?, _ time: FlushTime) {
        breaker.pause(at: time.moment, for: after)
    }

    private func badRequest(_ flight: BulkFlight, _ status: Int, _ time: FlushTime) {
        if flight.compressed, gzip.gzipFailed(closed: false, at: time.moment) { return resendPlain(flight) }
        if !flight.compressed { gzip.plainFailed() }
        notice(Notice(.warning, "opensearch_bad_request", [("status", String(status))]))
        sizing.refused(size: flight.chunks.reduce(0) { $0 + $1.chunk.linesLength })
        guard flight.chunks.count == 1, let only = flight.chunks.first else {
            spool.release(flight.chunks.map(\.id))
            breaker.abandoned()
            pause(nil, time)
            return
        }
        guard let settler = settler(time) else { return spool.release([only.id]) }
        do {
            if only.chunk.events > 1 {
                breaker.abandoned()
                settle(try settler.split(only), flight.chunks, time)
            } else if suspects.isGuilty(only.chunk.idsDigest) {
                let rejected = try settler.rejectAll(
                    only, status: status, reason: LedgerReason.document, type: "request_refused", text: "")
                settle(rejected, flight.chunks, time)
                suspects.forget(only.chunk.idsDigest)
                notice(Notice(.warning, "documents_rejected", [("documents", "1"), ("status", String(status))]))
            } else {
                suspects.suspect(only.chunk.idsDigest)
                let wait = rowBackoff.wait(afterFailures: only.attempts + 1)
                settle(
                    settler.postponed(only, retryAtMs: time.moment.wallMs + max(1, wait.milliseconds)), flight.chunks,
                    time)
                failed(time)
            }
        } catch {
            spool.release([only.id])
            failed(time)
        }
    }
}

/// The shorter of two waits, where nil is for ever.
func shorter(_ left: Duration?, _ right: Duration?) -> Duration? {
    guard let left else { return right }
    guard let right else { return left }
    return min(left, right)
}
