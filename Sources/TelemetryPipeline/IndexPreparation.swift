import HTTPTransport
import TelemetryModel
import TelemetrySinks
import TelemetrySpool

/// Sees to it that a name has its template or index before the first bulk of this process goes there: an index made by
/// the first bulk guesses its mapping, and a template afterwards changes nothing.
///
/// Asked once per pattern (or, for `index`, per name), and answered or refused; one name after the other.
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

    private static let rememberedNames = 4096

    private let endpoint: Endpoint
    private let mode: IndexSetupMode
    private let patterns: [IndexPattern]
    private let notice: NoticeSink
    private var done: Set<String> = []
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
        if current == nil { current = next(for: chunks, authentication) }
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
        for chunks: [StoredChunk], _ authentication: HTTPAuthentication
    ) -> (flow: IndexSetupFlow, key: String, transfer: WatchedTransfer?)? {
        for name in chunks.lazy.flatMap(\.chunk.indices) {
            // A name that an older configuration chose stands for itself.
            guard let pattern = patterns.first(where: { $0.matches(name) }) ?? IndexPattern(name) else { continue }
            let key = mode == .index ? name : pattern.text
            guard !done.contains(key) else { continue }
            let flow = IndexSetupFlow(
                mode: mode, pattern: pattern, index: name, endpoint: endpoint, authentication: authentication)
            return (flow, key, nil)
        }
        return nil
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
            let after: Duration? =
                if case .success(let response) = completion.result {
                    response.header("Retry-After").flatMap(RequestVerdict.seconds)
                } else { nil }
            return .failed(retryAfter: after)
        }
        return .goOn
    }

    private mutating func finish(_ key: String) {
        if done.count >= Self.rememberedNames { done.removeAll() }
        done.insert(key)
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
