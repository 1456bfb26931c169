import HTTPTransport
import TelemetryModel
import TelemetryPipeline

/// The flush thread: runs libcurl's loop, which drains the spool.
final class FlushThread: Sendable {
    private let parts: SharedParts
    private let listener: ListenerThread
    private let configuration: FlushConfiguration

    init(
        parts: SharedParts, configuration: Configuration, lambda: LambdaEnvironment, environment: [String: String],
        listener: ListenerThread
    ) {
        self.parts = parts
        self.listener = listener
        self.configuration = FlushConfiguration(
            openSearch: configuration.openSearch, pushGateway: configuration.pushGateway,
            indices: configuration.indices, types: configuration.types,
            indexSetup: configuration.indexSetup,
            requestBytes: configuration.requestBytes, compressionLevel: configuration.compressionLevel,
            metricPushInterval: configuration.metricPushInterval, metricGroupTTL: configuration.metricGroupTTL,
            secretARN: configuration.authSecretARN, credentials: AWSCredentialSource(environment: environment),
            region: lambda.region,
            secretsManagerURL: environment["AWS_ENDPOINT_URL_SECRETS_MANAGER"] ?? environment["AWS_ENDPOINT_URL"])
    }

    /// - Parameter spawn: starts a thread; false when there is none left.
    func start(_ spawn: (String, @escaping @Sendable () -> Void) -> Bool = WorkerThread.start) {
        guard !spawn("pf-flush", { self.run() }) else { return }
        parts.notice(Notice(.error, "thread_failed", [("thread", "flush"), ("effect", "nothing is delivered")]))
        // SHUTDOWN has nobody to wait for.
        parts.mailbox.reportDrained()
    }

    private func run() {
        do {
            let listener = listener
            let gate = parts.gate
            let worker = try FlushWorker(
                configuration: configuration, spool: parts.spool, function: parts.function, policy: parts.policy,
                mailbox: parts.mailbox, progress: parts.progress, notice: parts.notice,
                networkWait: { gate.wait(at: $0) },
                releaseHeldParts: { done in listener.releaseHeldParts(then: done) })
            worker.run()
        } catch {
            parts.notice(Notice(.error, "flush_thread_failed", [("cause", "\(error)")]))
            parts.mailbox.reportDrained()
        }
    }
}
