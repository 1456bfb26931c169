package import HTTPTransport
package import TelemetryModel
package import TelemetrySpool

/// The flush thread's loop: it waits for messages, timers and sockets, and lets each sink take its next step.
///
/// Everything it decides is decided in pure values (``FlushPolicy``, ``CircuitBreaker``, ``StallWatch``, …); everything it
/// remembers is in the spool. One sink's outage never delays the other: each has its own breaker and its own requests.
package final class FlushWorker {
    /// The longest sleep: a wall clock that jumped, or a wake that went missing, is noticed after this.
    private static let longestWait: Duration = .seconds(30)
    /// The longest sleep while a request is out: a freeze is only seen when it outlasts the sleep it came over.
    private static let watchfulWait: Duration = .milliseconds(250)

    private let spool: Spool
    private let mailbox: FlushMailbox
    private let progress: InvocationProgress
    private let notice: NoticeSink
    private let networkWait: (Moment) -> Duration?
    private let releaseHeldParts: (@escaping @Sendable () -> Void) -> Void
    private let now: () -> Moment

    private let loop: TransferLoop
    private let credentials: CredentialStore
    private let logs: OpenSearchDelivery?
    private let metrics: MetricPush?
    private var drain: Drain?
    private var thawed: ThawedClock

    package init(
        configuration: FlushConfiguration, spool: Spool, function: FunctionIdentityBox, policy: FlushPolicy,
        mailbox: FlushMailbox, progress: InvocationProgress, notice: @escaping NoticeSink,
        networkWait: @escaping (Moment) -> Duration?,
        releaseHeldParts: @escaping (@escaping @Sendable () -> Void) -> Void,
        now: @escaping () -> Moment = Moment.now
    ) throws(HTTPError) {
        self.spool = spool
        self.mailbox = mailbox
        self.progress = progress
        self.notice = notice
        self.networkWait = networkWait
        self.releaseHeldParts = releaseHeldParts
        self.now = now
        self.thawed = ThawedClock(at: now())
        let loop = try TransferLoop()
        self.loop = loop
        let credentials = CredentialStore(
            plan: CredentialStore.Plan(
                secretARN: configuration.secretARN, source: configuration.credentials, region: configuration.region,
                secretsManagerURL: configuration.secretsManagerURL),
            loop: loop, notice: notice)
        self.credentials = credentials
        self.logs = configuration.openSearch.map { endpoint in
            OpenSearchDelivery(
                endpoint: endpoint, configuration: configuration, spool: spool, policy: policy, loop: loop,
                credentials: credentials, notice: notice)
        }
        self.metrics = configuration.pushGateway.map { endpoint in
            MetricPush(
                endpoint: endpoint, configuration: configuration, spool: spool, function: function, loop: loop,
                credentials: credentials, notice: notice)
        }
    }

    /// Runs until the process ends; after the drain at SHUTDOWN it only idles.
    package func run() {
        let waker = loop.waker
        mailbox.setWake { waker.wake() }
        var frozen = false
        while true {
            let due = step(FlushTime(moment: now(), thawed: thawed.elapsed), frozen: frozen)
            var completions = loop.advance()
            var moment = now()
            frozen = thawed.worked(until: moment)
            if completions.isEmpty {
                let wait = loop.active > 0 ? min(due, Self.watchfulWait) : due
                loop.sleep(upTo: wait)
                moment = now()
                frozen = thawed.slept(until: moment, upTo: wait) || frozen
                // Before the answers are read: a socket that died in the freeze says nothing about the back end.
                if frozen { froze(FlushTime(moment: moment, thawed: thawed.elapsed)) }
                completions = loop.advance()
            } else if frozen {
                froze(FlushTime(moment: moment, thawed: thawed.elapsed))
            }
            let time = FlushTime(moment: moment, thawed: thawed.elapsed)
            for completion in completions { handle(completion, time) }
        }
    }

    private func froze(_ time: FlushTime) {
        credentials.froze(time)
        logs?.froze(time)
        metrics?.froze(time)
    }

    /// - Returns: how long nothing will be due.
    private func step(_ time: FlushTime, frozen: Bool) -> Duration {
        let messages = mailbox.take()
        credentials.checkStall(time)
        if messages.invoked { thawed.invoked(at: time.moment, after: messages.idle) }
        if messages.invoked || frozen {
            // A server closes what was idle for long, and a freeze hides that it did.
            loop.dropIdleConnections(unusedFor: .seconds(30))
            spool.verifyFile(nowMs: time.moment.wallMs)
        }
        if messages.resumed { logs?.flushInheritance() }
        if let order = messages.shutdown, drain == nil { beginDrain(order, time) }
        var wait = Self.longestWait
        if let shut = networkWait(time.moment), drain == nil {
            wait = min(wait, shut)
        } else {
            if let next = logs?.step(time, shuttingDown: drain != nil) { wait = min(wait, next) }
            let mayPush = drain.map { !$0.isReportDue(at: time.moment, progress) && $0.partsReleased } ?? true
            if mayPush, let next = metrics?.step(time) { wait = min(wait, next) }
        }
        if drain == nil {
            let upkeep = spool.maintain(nowMs: time.moment.wallMs, isDelivering: logs?.isDelivering ?? false)
            if upkeep.hasMore { wait = min(wait, .milliseconds(2)) }
        } else {
            wait = min(wait, advanceDrain(time))
        }
        mailbox.report(flushing: logs?.isBusy ?? false, breakerOpen: logs?.isBreakerOpen ?? false)
        return max(.zero, wait)
    }

    private func handle(_ completion: TransferCompletion, _ time: FlushTime) {
        if credentials.handle(completion, at: time.moment) { return }
        if logs?.handle(completion, time) == true { return }
        _ = metrics?.handle(completion, time)
    }

    // MARK: SHUTDOWN

    private func beginDrain(_ order: FlushMailbox.ShutdownOrder, _ time: FlushTime) {
        CrashPoint.reach(.drainBegun)
        drain = Drain(order: order, begun: time.moment)
        logs?.beginShutdown(time, until: order.deadline)
        metrics?.beginShutdown(time, until: order.deadline)
    }

    private func advanceDrain(_ time: FlushTime) -> Duration {
        guard var drain, !drain.ended else { return Self.longestWait }
        defer { self.drain = drain }
        if drain.isReportDue(at: time.moment, progress) { return drain.reportWait(at: time.moment) }
        if !drain.partsRequested {
            drain.partsRequested = true
            let released = drain.release
            let mailbox = mailbox
            releaseHeldParts {
                released.set()
                mailbox.post { $0.appended = true }
            }
        }
        guard drain.partsReleased else { return .milliseconds(50) }
        let logsDone = logs?.isDrained ?? true
        if logsDone, metrics?.allowLastPush(time, until: drain.order.deadline) == true { return .zero }
        guard logsDone, metrics?.isDrained ?? true else { return .milliseconds(50) }
        drain.ended = true
        CrashPoint.reach(.drainEnded)
        mailbox.reportDrained()
        return Self.longestWait
    }
}

/// A moment as the flush thread sees it.
struct FlushTime {
    var moment: Moment
    /// Time spent running since the thread started.
    var thawed: Duration
}
