import HTTPTransport
import LambdaAPI
import Synchronization
import TelemetryIntake
import TelemetryModel
import TelemetryPipeline
import TelemetrySpool

/// The listener thread: binds, opens the spool, and runs libevent's loop. It appends and answers, nothing else.
final class ListenerThread: Sendable {
    private enum Port: Sendable {
        case pending
        case bound(UInt16)
        case failed
    }

    private let parts: SharedParts
    private let configuration: Configuration
    private let port = Mutex(Port.pending)
    private let loop = Mutex<HTTPServerHandle?>(nil)
    /// Set on the listener thread: delivers held parts as text, whatever their age.
    private let releaseParts = Mutex<(@Sendable () -> Void)?>(nil)
    private let portFound: FlushMailbox?
    private let bind: Bind

    typealias Bind = @Sendable (TelemetryListener, UInt16) throws(HTTPError) -> UInt16

    /// - Parameter bind: given the preferred port, binds the listener to one and returns it.
    init(
        parts: SharedParts, configuration: Configuration,
        bind: @escaping Bind = { listener, port throws(HTTPError) in try listener.bind(preferredPort: port) }
    ) {
        self.parts = parts
        self.configuration = configuration
        self.portFound = FlushMailbox()
        self.bind = bind
    }

    func start() -> Bool {
        let started = WorkerThread.start("pf-listener") { self.run() }
        if !started { port.withLock { $0 = .failed } }
        return started
    }

    /// Main thread: the port that was bound; nil when none could be.
    func waitForPort() -> UInt16? {
        while true {
            switch port.withLock({ $0 }) {
            case .bound(let port): return port
            case .failed: return nil
            case .pending: portFound?.waitForSignal(upTo: .milliseconds(20))
            }
        }
    }

    /// Flush thread, at SHUTDOWN: no further part will come. `done` is called once held parts are in the spool as text.
    func releaseHeldParts(then done: @escaping @Sendable () -> Void) {
        guard let handle = loop.withLock({ $0 }), let release = releaseParts.withLock({ $0 }) else { return done() }
        handle.perform {
            release()
            done()
        }
    }

    private func run() {
        do {
            try listen()
        } catch {
            // Without memory or descriptors for a loop nothing is received; what a predecessor left is drained all the same.
            announce(.failed)
            var attempt = 1
            while !openSpool(attempt: attempt) {
                WorkerThread.sleep(Self.pause(beforeAttempt: attempt))
                attempt += 1
            }
        }
    }

    private func listen() throws {
        let encoder = try BatchEncoder(configuration: intakeConfiguration)
        let ingest = Ingest(
            spool: parts.spool, encoder: encoder, function: parts.function, policy: parts.policy,
            mailbox: parts.mailbox, progress: parts.progress, notice: parts.notice)
        let parts = parts
        let listener = try TelemetryListener(
            ingest: { body in
                switch ingest.ingest(body, managedInstances: parts.managed.load(ordering: .acquiring)) {
                case .committed: .accepted
                case .unavailable: .unavailable
                case .failed: .failed
                }
            },
            acknowledged: { ingest.acknowledged(inFull: $0) })
        // Subscribing is possible during init alone: a port that is found later would be of no use.
        let bound = try? bind(listener, configuration.port)
        // The ingest stays on this thread: the closure runs only inside `perform` on this loop.
        let confined = LoopConfined(ingest)
        releaseParts.withLock { $0 = { confined.value.releaseHeldParts() } }
        loop.withLock { $0 = listener.handle }
        // The port is all that subscribing needs: the spool is opened while Lambda answers, and a POST waits its turn.
        announce(bound.map { .bound($0) } ?? .failed)
        let opened = openSpool(attempt: 1)
        // libevent's timer fires once after a freeze, so this counts thawed seconds.
        listener.schedule(every: .seconds(1)) { [self] in
            // A spool that broke while it ran, on a full disk say, is opened again when it can be.
            if !self.parts.spool.isOpen { _ = openSpool(attempt: Self.quickAttempts + 1) }
            ingest.tick()
        }
        if !opened { retryOpening(listener) }
        listener.run()
    }

    private func announce(_ result: Port) {
        port.withLock { $0 = result }
        portFound?.raise()
    }

    private var intakeConfiguration: IntakeConfiguration {
        IntakeConfiguration(
            indices: configuration.indices, requestBytes: configuration.requestBytes,
            compressionLevel: configuration.compressionLevel, storesEvents: configuration.storesEvents,
            observesMetrics: configuration.observesMetrics, requestIDLabel: configuration.metricRequestID,
            managedInstances: parts.managed.load(ordering: .acquiring), ownLinePrefix: NoticeWriter.prefix)
    }

    // MARK: Opening the spool

    /// - Returns: true when the spool is open.
    private func openSpool(attempt: Int) -> Bool {
        let opening = parts.spool.open()
        guard parts.spool.isOpen else {
            let cause: String? =
                switch opening {
                case .failed(let reason): reason
                // A predecessor that has been killed is expected to go.
                case .waiting where attempt > Self.quickAttempts: "Another process holds the spool's file: end it."
                default: nil
                }
            if let cause {
                parts.notice(
                    Notice(
                        .error, "spool_unusable",
                        [("variable", EnvironmentKey.spoolDirectory.rawValue), ("cause", cause)]))
            }
            return false
        }
        parts.spoolOpened()
        let isFresh = opening == .fresh
        parts.mailbox.post { messages in
            messages.appended = true
            if !isFresh { messages.resumed = true }
        }
        return true
    }

    /// A killed predecessor may hold the file for a moment; a full or missing disk may mend. POSTs get 503 meanwhile.
    private func retryOpening(_ listener: TelemetryListener, attempt: Int = 1) {
        listener.schedule(after: Self.pause(beforeAttempt: attempt)) { [self] in
            if !openSpool(attempt: attempt + 1) { retryOpening(listener, attempt: attempt + 1) }
        }
    }

    /// In the first half second, which is what a predecessor needs to leave; then there is one a second.
    private static let quickAttempts = 50

    private static func pause(beforeAttempt attempt: Int) -> Duration {
        attempt <= quickAttempts ? .milliseconds(10) : .seconds(1)
    }
}

/// A value that lives on the listener's loop and is handed to closures that only that loop runs.
private final class LoopConfined<Value>: @unchecked Sendable {
    // Sendable because it is only ever read inside `HTTPServerHandle.perform`, on the thread that made it.
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}
