import HTTPTransport
import TelemetryModel
import TelemetrySinks
import TelemetrySpool

/// Sees to it that a name has its template or index before the first bulk of this process goes there: an index made by
/// the first bulk guesses its mapping, and a template afterwards changes nothing.
///
/// Asked once per pattern (or, for `index`, per name), and answered or refused; one name after the other. A back end that
/// fails at this alone must not keep the documents: after ``tries`` failures they go without for ``pause``.
struct IndexPreparation {
    enum Step {
        case ready
        /// A request is on its way.
        case running
        /// It could not be started.
        case failed
    }

    enum Outcome {
        case goOn
        case failed(retryAfter: Duration?)
    }

    static let tries = 5
    static let pause: Duration = .seconds(600)

    private static let rememberedNames = 4096

    private let endpoint: Endpoint
    private let mode: IndexSetupMode
    private let patterns: [IndexPattern]
    private let notice: NoticeSink
    private var done: Set<String> = []
    /// Answers in a row that put a name off.
    private var failures: [String: Int] = [:]
    /// Names that go without until then.
    private var pausedUntil: [String: Moment] = [:]
    private var current: (flow: IndexSetupFlow, key: String, transfer: WatchedTransfer?)?

    init(endpoint: Endpoint, configuration: FlushConfiguration, notice: @escaping NoticeSink) {
        self.endpoint = endpoint
        self.mode = configuration.indexSetup
        self.patterns = TelemetryStream.allCases.map { configuration.indices[$0] }
        self.notice = notice
    }

    var isRunning: Bool { current?.transfer != nil }

    mutating func prepare(
        for chunks: [StoredChunk], _ authentication: HTTPAuthentication, _ loop: TransferLoop, _ time: FlushTime
    ) -> Step {
        guard mode != .none else { return .ready }
        if isRunning { return .running }
        if current == nil { current = next(for: chunks, authentication, time.moment) }
        guard let request = current?.flow.request else { return .ready }
        do {
            current?.transfer = try WatchedTransfer.start(request, on: loop, time)
            return .running
        } catch {
            current = nil
            return .failed
        }
    }

    private func next(
        for chunks: [StoredChunk], _ authentication: HTTPAuthentication, _ now: Moment
    ) -> (flow: IndexSetupFlow, key: String, transfer: WatchedTransfer?)? {
        for name in chunks.lazy.flatMap(\.chunk.indices) {
            // A name that an older configuration chose stands for itself.
            guard let pattern = patterns.first(where: { $0.matches(name) }) ?? IndexPattern(name) else { continue }
            let key = mode == .index ? name : pattern.text
            guard !done.contains(key), !isPaused(key, at: now) else { continue }
            let flow = IndexSetupFlow(
                mode: mode, pattern: pattern, index: name, endpoint: endpoint, authentication: authentication)
            return (flow, key, nil)
        }
        return nil
    }

    private func isPaused(_ key: String, at now: Moment) -> Bool {
        pausedUntil[key].map { now.passed(since: $0) < .zero } ?? false
    }

    /// A bulk request failed as well: so does the back end altogether, and when it comes back the names are asked for
    /// before the first document makes an index.
    mutating func documentsFailed() {
        failures.removeAll()
        pausedUntil.removeAll()
    }

    /// Nil when the completion is not of this.
    mutating func handle(_ completion: TransferCompletion, _ time: FlushTime) -> Outcome? {
        guard var run = current, run.transfer?.id == completion.id else { return nil }
        let wasFrozen = run.transfer?.isFrozen ?? false
        run.transfer = nil
        run.flow.received(completion.result)
        current = run
        switch run.flow.outcome {
        case nil: return .goOn
        case .ready: finish(run.key)
        case .refused(let refusal):
            finish(run.key)
            notice(
                Notice(
                    .warning, "index_setup_refused",
                    [("cause", refusal.rawValue), ("mode", mode.rawValue), ("variable", "PERMAFROST_INDEX_SETUP")]))
        case .retry:
            current = nil
            if wasFrozen { return .goOn }
            guard case .success(let response) = completion.result else { return .failed(retryAfter: nil) }
            countFailure(run.key, time.moment)
            return .failed(retryAfter: response.header("Retry-After").flatMap(RequestVerdict.seconds))
        }
        return .goOn
    }

    private mutating func countFailure(_ key: String, _ now: Moment) {
        if failures.count >= Self.rememberedNames { documentsFailed() }
        failures[key, default: 0] += 1
        guard failures[key, default: 0] >= Self.tries else { return }
        pausedUntil[key] = now + Self.pause
        notice(
            Notice(
                .warning, "index_setup_failed", [("effect", "documents are sent without"), ("mode", mode.rawValue)]))
    }

    private mutating func finish(_ key: String) {
        if done.count >= Self.rememberedNames { done.removeAll() }
        done.insert(key)
        failures[key] = nil
        pausedUntil[key] = nil
        current = nil
    }

    /// What is said of a request that stood still for too long and was given up, nil: none was.
    mutating func checkStall(_ loop: TransferLoop, _ time: FlushTime) -> StallWatch.Verdict? {
        guard var transfer = current?.transfer else { return nil }
        let verdict = transfer.check(loop, time)
        current?.transfer = transfer
        if case .waiting = verdict { return nil }
        cancel(loop)
        return verdict
    }

    mutating func froze(_ time: FlushTime) {
        current?.transfer?.froze(time)
    }

    mutating func cancel(_ loop: TransferLoop) {
        if let transfer = current?.transfer { loop.cancel(transfer.id) }
        current = nil
    }
}
