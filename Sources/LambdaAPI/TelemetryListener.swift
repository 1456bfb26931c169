package import HTTPTransport

/// How a batch was received.
package enum IngestAnswer: Sendable, Equatable {
    /// It is committed: 200.
    case accepted
    /// Not now, it may come again: 503.
    case unavailable
    /// The commit failed, it should come again: 500.
    case failed

    var status: Int {
        switch self {
        case .accepted: 200
        case .unavailable: 503
        case .failed: 500
        }
    }
}

/// Receives the Telemetry API's batches: any path, POST only, bodies up to 8 MiB.
///
/// Belongs to the thread that calls ``run()``. There `ingest` runs, synchronously, and nothing else is read meanwhile:
/// the answer leaves after `ingest` has returned.
package final class TelemetryListener {
    private let server: HTTPServer

    /// What a listener accepts by default.
    package static let limits = HTTPServerLimits(methods: ["POST"])

    /// - Parameters:
    ///   - ingest: the whole body, valid only inside the call.
    ///   - acknowledged: after every 200: whether the kernel took all of it.
    package init(
        limits: HTTPServerLimits = TelemetryListener.limits, ingest: @escaping (UnsafeRawBufferPointer) -> IngestAnswer,
        acknowledged: @escaping (Bool) -> Void
    ) throws(HTTPError) {
        server = try HTTPServer(limits: limits) { request, responder in
            let answer = request.withBody(ingest)
            responder.respond(status: answer.status, written: answer == .accepted ? acknowledged : nil)
        }
    }

    /// Ports that are Lambda's own.
    private static let reservedPorts: Set<UInt16> = [9001]

    /// Listens on every address: the platform reaches us as `sandbox.localdomain`.
    ///
    /// - Returns: `preferredPort`, or else one of the 20 after it, or else any free one.
    package func bind(preferredPort: UInt16) throws(HTTPError) -> UInt16 {
        for offset in 0...20 where preferredPort > 0 {
            guard let port = UInt16(exactly: Int(preferredPort) + offset), !Self.reservedPorts.contains(port) else {
                continue
            }
            if let bound = try? server.bind(address: "0.0.0.0", port: port) { return bound }
        }
        return try server.bind(address: "0.0.0.0", port: 0)
    }

    /// Blocks until ``HTTPServerHandle/stop()``.
    package func run() { server.run() }

    package var handle: HTTPServerHandle { server.handle }

    /// Runs `work` on the listener's thread again and again.
    package func schedule(every interval: Duration, _ work: @escaping () -> Void) {
        server.schedule(every: interval, work)
    }

    /// Runs `work` on the listener's thread once.
    package func schedule(after delay: Duration, _ work: @escaping () -> Void) {
        server.schedule(after: delay, work)
    }
}
