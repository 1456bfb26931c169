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
    private static let serverWaitSeconds = 5

    let spool: Spool
    private let policy: FlushPolicy
    let loop: TransferLoop
    let credentials: CredentialStore
    private let endpoint: Endpoint
    let notice: NoticeSink
    let encoder: ChunkEncoder?
    let requestBytes: Int

    var breaker: CircuitBreaker
    var rowBackoff: Backoff
    var sizing: RequestSizing
    var gzip = GzipPreference()
    var suspects = SuspectDocuments()
    var usesIDs = true
    var setup: IndexPreparation
    var flights: [TransferID: BulkFlight] = [:]
    /// Claimed, and waiting for an index, for credentials, or to be sent once more without compression.
    var pending: PendingBulk?
    /// A flush that became due goes on until nothing is left to claim.
    private var flushing = false
    /// Of two requests one begins with what is due for a retry, the other with what was never tried.
    private var untriedFirst = false
    var shutdown: ShutdownPhase?

    struct PendingBulk {
        var chunks: [StoredChunk]
        /// A resend of what was refused with gzip.
        var plain = false
    }

    /// The drain at SHUTDOWN: one request until the first answer, then up to four.
    struct ShutdownPhase {
        static let parallel = 4
        /// Smaller than usual: one answer confirms one request, and there may be time for few.
        static let requestBytes = 1 << 20
        static let probeLimit: Duration = .milliseconds(500)

        var answered = false
        var gaveUp = false
        /// When the drain must have ended.
        var deadline: Moment
        /// Nothing could be claimed at the last look.
        var exhausted = false
        /// Set when the breaker was open at SHUTDOWN: one probe may take until then.
        var probeUntil: Moment?

        func left(at now: Moment) -> Duration { (probeUntil ?? deadline).elapsed(since: now) }
    }

    init(
        endpoint: Endpoint, configuration: FlushConfiguration, spool: Spool, policy: FlushPolicy, loop: TransferLoop,
        credentials: CredentialStore, seed: UInt64? = nil, notice: @escaping NoticeSink
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
        self.rowBackoff = Backoff(seed: seed.map { $0 ^ 0x5bd1_e995 })
        self.sizing = RequestSizing(maximum: configuration.requestBytes)
        self.setup = IndexPreparation(endpoint: endpoint, configuration: configuration, notice: notice)
    }

    var isBreakerOpen: Bool { breaker.isOpen || credentials.isFailing }
    var isDelivering: Bool { !flights.isEmpty }
    /// Requests are on their way, or a due flush has more to send and may.
    var isBusy: Bool { !flights.isEmpty || setup.isRunning || pending != nil || flushing }

    /// Nothing more can be done at SHUTDOWN.
    var isDrained: Bool {
        guard let shutdown else { return false }
        if shutdown.gaveUp { return true }
        guard shutdown.exhausted, pending == nil, !hasNewFlight else { return false }
        // Rows that wait are held, so what is not claimed could still be sent.
        let backlog = spool.backlog()
        return backlog.claimed.chunks >= backlog.chunks
    }

    private var hasNewFlight: Bool { flights.values.contains { !$0.isOld } }

    /// Gives a flight's chunks back; those of an old one are not its own any more since SHUTDOWN began.
    func release(_ flight: BulkFlight) {
        if !flight.isOld { spool.release(flight.chunks.map(\.id)) }
    }

    // MARK: Steps

    /// Starts what may be started. - Returns: how long nothing will be due, nil: until something happens.
    func step(_ time: FlushTime, shuttingDown: Bool) -> Duration? {
        var wait = checkFlights(time)
        while true {
            guard shutdown?.gaveUp != true, hasRoom else { return wait }
            if pending?.plain != true, let refusal = breaker.refusal(at: time.moment) {
                if case .until(let moment) = refusal { wait = shorter(wait, moment.elapsed(since: time.moment)) }
                if backlogIsEmpty {
                    flushing = false
                    shutdown?.exhausted = true
                }
                // A wait that outlives the budget is not waited for: the customer pays for it.
                if case .until(let moment) = refusal, let phase = shutdown, moment >= phase.deadline, !hasNewFlight {
                    giveBack()
                    shutdown?.gaveUp = true
                }
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
                // At SHUTDOWN a secret that cannot be had is not waited for.
                if until != nil, shutdown != nil {
                    giveBack()
                    shutdown?.gaveUp = true
                }
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

    /// What a predecessor left is sent whatever the thresholds say.
    func flushInheritance() {
        flushing = true
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
            let decision = policy.decision(
                events: backlog.ready.events, bytes: backlog.ready.bytes, oldestMs: backlog.oldestMs, nowMs: nowMs)
            if decision == .flush || backlog.isRetryDue(nowMs: nowMs) {
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
                shutdown != nil ? .shutdown : untriedFirst ? .untriedFirst : .oldestFirst, maximumBytes: limit,
                maximumChunks: sizing.isAlone ? 1 : 1000, nowMs: nowMs)
            if !chunks.isEmpty {
                shutdown?.exhausted = false
                untriedFirst.toggle()
                return .claimed(chunks)
            }
        } catch {
            notice(Notice(.error, "claim_failed", [("cause", error.description)]))
            flushing = false
            // A spool that cannot be read has nothing to drain.
            shutdown?.gaveUp = true
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
            let reader = AnswerReader(events: bulk.chunks.reduce(0) { $0 + $1.chunk.events })
            let transfer = try WatchedTransfer.start(
                request, on: loop, time, connectionLimit: shutdown?.left(at: time.moment), onBody: { reader.feed($0) })
            flights[transfer.id] = BulkFlight(
                chunks: bulk.chunks, compressed: compressed, withIDs: usesIDs, reader: reader, transfer: transfer)
            breaker.began()
            CrashPoint.reach(.requestStarted)
        } catch {
            let corrupt = discardCorrupt(bulk.chunks)
            guard corrupt.isEmpty else {
                let sound = bulk.chunks.filter { !corrupt.contains($0.id) }
                if !sound.isEmpty { pending = PendingBulk(chunks: sound, plain: bulk.plain) }
                return
            }
            spool.release(bulk.chunks.map(\.id))
            breaker.failed(at: time.moment)
            notice(Notice(.error, "request_failed_to_start", [("cause", "\(error)")]))
        }
    }

    func giveBack() {
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
                release(flight)
                if stoodStill(verdict, time) {
                    notice(Notice(.warning, "opensearch_stalled", [("chunks", String(flight.chunks.count))]))
                }
            }
        }
        if let verdict = setup.checkStall(loop, time) { _ = stoodStill(verdict, time) }
        return shorter(wait, setup.isRunning ? .seconds(1) : nil)
    }

    /// - Returns: true when it counts against the back end.
    private func stoodStill(_ verdict: StallWatch.Verdict, _ time: FlushTime) -> Bool {
        if verdict == .lostInFreeze { return breaker.lostInFreeze(at: time.moment) }
        breaker.failed(at: time.moment)
        return true
    }

    /// Requests begun before go on; what they carry may travel a second time, and the first answer settles.
    func beginShutdown(_ time: FlushTime, until deadline: Moment) {
        giveBack()
        setup.cancel(loop)
        spool.releaseAll()
        for id in flights.keys { flights[id]?.isOld = true }
        var phase = ShutdownPhase(deadline: deadline)
        // Without a login nothing reaches the back end: a Secrets Manager that is down is waited for no longer.
        if breaker.looksDead || credentials.isFailing { phase.probeUntil = time.moment + ShutdownPhase.probeLimit }
        breaker.expireWait()
        breaker.abandoned()
        shutdown = phase
    }
}

/// The shorter of two waits, where nil is for ever.
func shorter(_ left: Duration?, _ right: Duration?) -> Duration? {
    guard let left else { return right }
    guard let right else { return left }
    return min(left, right)
}
