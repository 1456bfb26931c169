import Glibc
import HTTPTransport
import LambdaAPI
import Synchronization
import TelemetryIntake
import TelemetryModel
import TelemetryPipeline
import TelemetrySpool

/// The extension's three threads: this one is the lifecycle, a blocking `next` loop; it starts the listener and the
/// flush thread, tells them what it hears from Lambda, and keeps the time at SHUTDOWN.
final class ExtensionRuntime {
    /// Subscribing is possible during init alone, so a passing fault must not decide about an environment's whole life.
    private static let subscriptionTries = 3

    private let name: String
    private let lambda: LambdaEnvironment
    private let configuration: Configuration
    private let environment: [String: String]
    private let notices: NoticeWriter
    private let parts: SharedParts
    private let runtimeAPI: String
    private let http: HTTPClient
    private let client: ExtensionsClient
    private var managed: Bool

    init(
        name: String, runtimeAPI: String, lambda: LambdaEnvironment, configuration: Configuration,
        environment: [String: String], notices: NoticeWriter
    ) throws(HTTPError) {
        self.name = name
        self.lambda = lambda
        self.configuration = configuration
        self.environment = environment
        self.notices = notices
        self.runtimeAPI = runtimeAPI
        self.http = try HTTPClient()
        self.client = ExtensionsClient(runtimeAPI: runtimeAPI, client: http)
        self.managed = lambda.initializationType == .managedInstances
        self.parts = try SharedParts(configuration: configuration, lambda: lambda, notices: notices)
    }

    /// - Returns: the exit code, only when register was refused; otherwise the process ends in here.
    func run() -> Int32 {
        let listener = ListenerThread(parts: parts, configuration: configuration)
        if !listener.start() { parts.notice(Notice(.error, "thread_failed", [("thread", "listener")])) }
        guard let registration = register() else { return 1 }
        parts.function.update { identity in
            if let name = registration.functionName { identity.name = name }
            if let version = registration.functionVersion { identity.version = version }
            if let account = registration.accountID { identity.accountID = account }
        }
        if let port = listener.waitForPort() {
            subscribe(registration.identifier, port: port)
        } else {
            parts.notice(
                Notice(
                    .error, "listen_failed",
                    [
                        ("variable", EnvironmentKey.port.rawValue),
                        ("effect", "no telemetry is received; what an earlier process left is delivered"),
                    ]))
        }
        let flush = FlushThread(
            parts: parts, configuration: configuration, lambda: lambda, environment: environment, listener: listener)
        flush.start()
        reportConfiguration()
        serve(registration.identifier, listener: listener)
    }

    // MARK: Init phase

    private func register() -> Registration? {
        var retry = NextRetry()
        while true {
            do throws(ExtensionsError) {
                return try client.register(name: name, events: managed ? [.shutdown] : [.invoke, .shutdown])
            } catch {
                switch error {
                case .refused(let status, let type):
                    // Managed Instances refuse INVOKE; the type's spelling is not relied on.
                    if status == 403, !managed, type == nil || type == "Extension.InvalidEventType" {
                        managed = true
                        parts.managed.store(true, ordering: .releasing)
                        continue
                    }
                    notices.write(
                        Notice(
                            .error, "register_refused",
                            [("status", String(status)), ("error_type", type ?? "none"), ("name", name)]),
                        nowMs: 0)
                    return nil
                default:
                    parts.notice(Notice(.warning, "register_failed", [("cause", error.description)]))
                    WorkerThread.sleep(retry.waitAfterFailure())
                }
            }
        }
    }

    private func subscribe(_ identifier: String, port: UInt16) {
        let subscription = TelemetrySubscription(
            types: configuration.types.map(\.rawValue), maxItems: configuration.telemetryMaxItems,
            maxBytes: configuration.telemetryMaxBytes, timeoutMs: configuration.telemetryTimeoutMs, port: port)
        var retry = NextRetry()
        for attempt in 1...Self.subscriptionTries {
            do throws(ExtensionsError) {
                let result = try subscription.subscribe(identifier: identifier, runtimeAPI: runtimeAPI, client: http)
                if case .notSupported = result {
                    parts.notice(Notice(.warning, "telemetry_not_supported", [("effect", "no telemetry is received")]))
                } else {
                    parts.isSubscribed.store(true, ordering: .releasing)
                }
                return
            } catch {
                if case .refused = error {
                } else if attempt < Self.subscriptionTries {
                    WorkerThread.sleep(retry.waitAfterFailure())
                    continue
                }
                parts.notice(
                    Notice(
                        .error, "subscribe_failed",
                        [("cause", error.description), ("effect", "no telemetry is received")]))
                return
            }
        }
    }

    private func reportConfiguration() {
        for problem in configuration.problems {
            notices.write(
                Notice(
                    .warning, "configuration.\(problem.variable)",
                    [("message", "\(problem.variable): \(problem.sentence)")]),
                nowMs: 0)
        }
        if configuration.hasNoSink {
            parts.notice(
                Notice(
                    .error, "no_sink",
                    [
                        (
                            "message",
                            "\(EnvironmentKey.openSearchURL.rawValue) and \(EnvironmentKey.pushGatewayURL.rawValue) are "
                                + "not set: set one; until then events stay in the spool within its bound"
                        )
                    ]))
        }
        if !configuration.aliasesTaken.isEmpty {
            parts.notice(
                Notice(
                    .warning, "aliases_taken",
                    [("variables", configuration.aliasesTaken.joined(separator: ","))]))
        }
    }

    // MARK: Invoke phase

    private func serve(_ identifier: String, listener: ListenerThread) -> Never {
        var retry = NextRetry()
        while true {
            do throws(ExtensionsError) {
                if managed { parts.gate.nextIsCalled() }
                let called = Moment.now()
                let event = try client.next(identifier)
                parts.gate.open()
                retry.succeeded()
                switch event {
                case .invoke(let invocation): invoked(invocation, idle: Moment.now().passed(since: called))
                case .shutdown(let shutdown): shutDown(shutdown)
                case .unknown(let kind):
                    parts.notice(Notice(.warning, "unknown_event", [("kind_bytes", "\(kind.utf8.count)")]))
                }
            } catch {
                parts.notice(Notice(.warning, "next_failed", [("cause", error.description)]))
                WorkerThread.sleep(retry.waitAfterFailure())
            }
        }
    }

    private func invoked(_ invocation: Invocation, idle: Duration) {
        parts.progress.invoked(invocation.requestID)
        if let arn = invocation.functionARN {
            // arn:aws:lambda:REGION:ACCOUNT:function:NAME[:ALIAS]
            let fields = arn.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count > 4, !fields[4].isEmpty {
                parts.function.update { identity in
                    if identity.accountID == nil { identity.accountID = String(fields[4]) }
                    if identity.region == nil, !fields[3].isEmpty { identity.region = String(fields[3]) }
                }
            }
        }
        parts.establishEnvironment()
        parts.mailbox.post { messages in
            messages.invoked = true
            messages.idle = max(messages.idle, idle)
        }
        hold(invocation)
    }

    private func hold(_ invocation: Invocation) {
        let policy = HoldPolicy(hold: configuration.hold)
        guard policy.hold > .zero, configuration.openSearch != nil, configuration.types.contains(.platform),
            parts.isSubscribed.load(ordering: .acquiring)
        else { return }
        let invokedAt = Moment.now()
        var finishedAt: Moment?
        // What cannot be spooled cannot be flushed, and its end is never seen.
        while parts.spool.isOpen {
            let now = Moment.now()
            if finishedAt == nil, parts.progress.isFinished { finishedAt = now }
            let backlog = parts.spool.backlog()
            let due =
                parts.policy.decision(
                    events: backlog.ready.events, bytes: backlog.ready.bytes, oldestMs: backlog.oldestMs,
                    nowMs: now.wallMs)
                == .flush
            guard
                let wait = policy.wait(
                    invokedAt: invokedAt, finishedAt: finishedAt, mayHaveMissedEnd: parts.progress.mayHaveMissedEnd,
                    deadlineMs: invocation.deadlineMs > 0 ? invocation.deadlineMs : nil,
                    // Claimed: taken out of what is due, and not yet said to be on its way.
                    flushUnderWay: due || backlog.claimed.chunks > 0 || parts.mailbox.isFlushing,
                    breakerOpen: parts.mailbox.isBreakerOpen, now: now)
            else { return }
            parts.mailbox.waitForSignal(upTo: min(wait, .milliseconds(50)))
        }
    }

    // MARK: Shutdown phase

    private func shutDown(_ shutdown: Shutdown) -> Never {
        let begun = Moment.now()
        let wait = ShutdownWait(
            deadline: ShutdownBudget.deadline(deadlineMs: shutdown.deadlineMs, at: begun), begun: begun)
        let mayBringReport = shutdown.reason.mayBringReport && parts.isSubscribed.load(ordering: .acquiring)
        func awaitsReport() -> Bool { mayBringReport && parts.progress.awaitsReport }
        let order = FlushMailbox.ShutdownOrder(deadline: wait.deadline, awaitsReport: awaitsReport())
        parts.mailbox.post { $0.shutdown = order }
        while let left = wait.left(isDrained: parts.mailbox.isDrained, awaitsReport: awaitsReport(), at: .now()) {
            parts.mailbox.waitForSignal(upTo: left)
        }
        let books = parts.spool.books
        notices.writeClosingLine(
            ClosingLine.text(
                reason: shutdown.reason.word, ledger: books.ledger, platformDropped: books.platformDropped,
                lossesUnknown: books.unknownLosses))
        // No join, no close: what is committed is in the file, and what still runs has nothing to lose.
        _exit(0)
    }
}

extension Shutdown.Reason {
    /// None comes after a timeout or a failure. A reason that is not known yet is treated like a spindown.
    var mayBringReport: Bool { self == .spindown || self == .other }

    /// For the closing line: a fixed word, however the platform spells it.
    var word: String {
        switch self {
        case .spindown: "spindown"
        case .timeout: "timeout"
        case .failure: "failure"
        case .other: "other"
        }
    }
}
