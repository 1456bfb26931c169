import HTTPTransport
import TelemetryModel
import TelemetrySinks
import TelemetrySpool

/// Pushes the cumulative metrics in the spool to the PushGateway. Lives on the flush thread.
///
/// At most one PUT is in flight, none begins within the interval of the last but at SHUTDOWN, none without a change; each
/// body is made from the totals of its time, for an old body sent late would turn them back.
///
/// The secret is OpenSearch's first of all, and many gateways have no login: one gets the secret's user and password only
/// after it has answered 401, and does not wait for a secret that it does not need. User-info in its own URL goes at once.
final class MetricPush {
    private let endpoint: Endpoint
    private let spool: Spool
    private let function: FunctionIdentityBox
    private let loop: TransferLoop
    private let credentials: CredentialStore
    private let interval: Duration
    private let notice: NoticeSink
    private var breaker: CircuitBreaker
    private var cleaning: GroupCleaning
    private var flight: Flight?
    /// The revision that the gateway has, or that it refused for good.
    private var settledRevision: UInt64 = 0
    private var lastBegan: Moment?
    private var shutdown: ShutdownPhase?
    /// It answered 401 to a push without credentials.
    private var asksForLogin = false
    /// It read a push of this process: how to speak to it is known.
    private var isKnown = false

    private struct Flight {
        var transfer: WatchedTransfer
        var instance: String
        var isOwn: Bool
        /// It carries the secret's user and password.
        var withSecret: Bool
        var revision: UInt64
    }

    private struct ShutdownPhase {
        static let probeLimit: Duration = .milliseconds(500)

        var deadline: Moment
        var pushed = false
        var gaveUp = false
        /// The logs are drained and there is time: the ledger's last state may follow.
        var mayRepeat = false
        var probeUntil: Moment?

        func left(at now: Moment) -> Duration { (probeUntil ?? deadline).elapsed(since: now) }
    }

    init(
        endpoint: Endpoint, configuration: FlushConfiguration, spool: Spool, function: FunctionIdentityBox,
        loop: TransferLoop, credentials: CredentialStore, seed: UInt64? = nil, notice: @escaping NoticeSink
    ) {
        self.endpoint = endpoint
        self.spool = spool
        self.function = function
        self.loop = loop
        self.credentials = credentials
        self.interval = configuration.metricPushInterval
        self.notice = notice
        self.breaker = CircuitBreaker(seed: seed)
        self.cleaning = GroupCleaning(endpoint: endpoint, maximumAge: configuration.metricGroupTTL, seed: seed)
    }

    var isDrained: Bool {
        guard let shutdown else { return false }
        if shutdown.gaveUp { return true }
        guard flight == nil, shutdown.pushed else { return false }
        return !shutdown.mayRepeat || !hasChange
    }

    private var hasChange: Bool { spool.books.metricRevision != settledRevision }

    // MARK: Steps

    func step(_ time: FlushTime) -> Duration? {
        if let until = shutdown?.probeUntil {
            let left = until.elapsed(since: time.moment)
            if left <= .zero {
                abandonFlight()
                shutdown?.gaveUp = true
            }
        }
        let cleaningWait = cleaning.checkStall(loop, time)
        if let wait = checkFlight(time) { return shorter(wait, cleaningWait) }
        if shutdown?.gaveUp == true { return nil }
        if let shutdown, shutdown.pushed, !shutdown.mayRepeat { return nil }
        guard spool.isOpen, hasChange else {
            shutdown?.pushed = true
            return shutdown == nil ? clean(time) : nil
        }
        if let refusal = breaker.refusal(at: time.moment) {
            guard case .until(let moment) = refusal else { return nil }
            if let phase = shutdown, moment >= phase.deadline { shutdown?.gaveUp = true }
            return moment.elapsed(since: time.moment)
        }
        if shutdown == nil, let lastBegan {
            // Whichever clock counts frozen time.
            let passed = max(
                time.moment.elapsed(since: lastBegan), .milliseconds(time.moment.wallMs - lastBegan.wallMs))
            let left = interval - passed
            if left > .zero { return shorter(left, clean(time)) }
        }
        push(time)
        return .seconds(1)
    }

    private func push(_ time: FlushTime) {
        let authentication: HTTPAuthentication
        switch self.authentication(time) {
        case .ready(let ready): authentication = ready
        case .pending(let until):
            guard let until else { return }
            // At SHUTDOWN a secret that cannot be had is not waited for.
            if shutdown != nil { shutdown?.gaveUp = true }
            // Whether the gateway still asks is found out by the next push.
            asksForLogin = false
            breaker.failed(at: time.moment, floor: until.elapsed(since: time.moment))
            return
        }
        guard let groups = try? spool.metricGroups() else { return }
        // Groups that a quarantined spool left are pushed once more under their old instance, before our own.
        guard let group = groups.first(where: { !$0.isOwn }) ?? groups.first else {
            settledRevision = spool.books.metricRevision
            shutdown?.pushed = true
            return
        }
        if group.isOwn, group.summaries.isEmpty, group.counters.isEmpty {
            // An environment that has observed nothing needs no group.
            settledRevision = group.revision
            shutdown?.pushed = true
            return
        }
        do {
            let request = PushRequest(endpoint: endpoint, authentication: authentication).put(
                exposition(of: group), key: GroupingKey(job: function.value.name, instance: group.instance))
            flight = Flight(
                transfer: try WatchedTransfer.start(
                    request, on: loop, time, connectionLimit: shutdown?.left(at: time.moment)),
                instance: group.instance,
                isOwn: group.isOwn, withSecret: needsSecret, revision: group.revision)
            lastBegan = time.moment
            breaker.began()
        } catch {
            failed(time)
        }
    }

    private func authentication(_ time: FlushTime) -> CredentialStore.Availability {
        guard endpoint.user != nil || needsSecret else { return .ready(.none) }
        return credentials.authentication(for: endpoint, time)
    }

    private var needsSecret: Bool { asksForLogin && endpoint.user == nil }

    private func exposition(of group: MetricGroup) -> ExpositionGroup {
        ExpositionGroup(
            function: function.value,
            summaries: group.summaries.map {
                ExpositionGroup.Summary(family: $0.family, requestID: $0.requestID, sketch: $0.sketch)
            },
            counters: group.counters.map {
                ExpositionGroup.Counter(family: $0.family, labelValue: $0.labelValue, count: $0.count)
            },
            ledger: group.ledger)
    }

    private func checkFlight(_ time: FlushTime) -> Duration? {
        guard var current = flight else { return nil }
        let verdict = current.transfer.check(loop, time)
        flight?.transfer = current.transfer
        switch verdict {
        case .waiting(let left): return left
        case .stalled:
            abandonFlight()
            failed(time)
            notice(Notice(.warning, "pushgateway_stalled"))
        case .lostInFreeze:
            abandonFlight()
            if breaker.lostInFreeze(at: time.moment) { notice(Notice(.warning, "pushgateway_stalled")) }
        }
        return nil
    }

    private func abandonFlight() {
        guard let current = flight else { return }
        loop.cancel(current.transfer.id)
        flight = nil
        breaker.abandoned()
    }

    func froze(_ time: FlushTime) {
        flight?.transfer.froze(time)
        cleaning.froze(time)
    }

    func beginShutdown(_ time: FlushTime, until deadline: Moment) {
        cleaning.cancel(loop)
        var phase = ShutdownPhase(deadline: deadline)
        if breaker.looksDead || (needsSecret && credentials.isFailing) {
            phase.probeUntil = time.moment + ShutdownPhase.probeLimit
        }
        breaker.expireWait()
        // An older PUT carries older totals: it must not arrive after the last one.
        abandonFlight()
        shutdown = phase
    }

    /// The logs are drained: one more PUT, if what it would say has changed and there is time for it.
    /// - Returns: true when a step is due for it.
    func allowLastPush(_ time: FlushTime, until deadline: Moment) -> Bool {
        guard shutdown?.mayRepeat == false, deadline.elapsed(since: time.moment) > .milliseconds(300) else {
            return false
        }
        shutdown?.mayRepeat = true
        return !isDrained
    }

    // MARK: Answers

    func handle(_ completion: TransferCompletion, _ time: FlushTime) -> Bool {
        if cleaning.handle(completion) { return true }
        guard let current = flight, current.transfer.id == completion.id else { return false }
        flight = nil
        switch completion.result {
        case .failure(let error):
            if current.transfer.isFrozen {
                breaker.abandoned()
            } else {
                failed(time, isUnreachable: error == .connect || error == .resolve)
                notice(Notice(.warning, "pushgateway_unreachable", [("cause", error.description)]))
            }
        case .success(let response):
            let verdict = PushVerdict(status: response.status, retryAfter: response.header("Retry-After"))
            switch verdict {
            case .delivered:
                CrashPoint.reach(.metricsPushed)
                isKnown = true
                breaker.succeeded()
                settled(current)
            case .bodyRefused:
                // The next change makes another body; the same one would be refused for ever.
                isKnown = true
                breaker.succeeded()
                settled(current)
                notice(
                    Notice(
                        .warning, "pushgateway_refused",
                        [("status", String(response.status)), ("effect", "this state of the metrics is not pushed")]))
            case .unauthorized
            where response.status == 401 && !asksForLogin && endpoint.user == nil && credentials.hasSecret:
                // A question, and no push: the answer need not wait for the interval.
                asksForLogin = true
                lastBegan = nil
                breaker.abandoned()
            case .unauthorized, .notFound:
                if verdict == .unauthorized, current.withSecret { credentials.refused(time) }
                failed(time, floor: .seconds(5))
                notice(Notice(.warning, "pushgateway_failed", [("status", String(response.status))]))
            case .retry(let after):
                failed(time, after: after)
                notice(Notice(.warning, "pushgateway_failed", [("status", String(response.status))]))
            }
        }
        return true
    }

    private func settled(_ current: Flight) {
        if current.isOwn {
            settledRevision = current.revision
            shutdown?.pushed = true
            shutdown?.probeUntil = nil
        } else {
            try? spool.markPushed(instance: current.instance)
        }
    }

    private func failed(
        _ time: FlushTime, after: Duration? = nil, floor: Duration = .zero, isUnreachable: Bool = false
    ) {
        breaker.failed(at: time.moment, retryAfter: after, floor: floor)
        if shutdown?.probeUntil != nil || breaker.isOpen || (isUnreachable && breaker.looksDead) {
            shutdown?.gaveUp = true
        }
        // A SHUTDOWN that already has its push does not wait for the gateway to recover.
        if shutdown?.mayRepeat == true, shutdown?.pushed == true { shutdown?.gaveUp = true }
    }

    // MARK: Groups of gone environments

    private func clean(_ time: FlushTime) -> Duration? {
        guard isKnown, let instance = spool.environmentID?.text, !breaker.isOpen,
            case .ready(let authentication) = authentication(time)
        else { return nil }
        return cleaning.step(
            function: function.value, instance: instance, authentication: authentication, loop: loop, time)
    }
}
