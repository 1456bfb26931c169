package import HTTPTransport
import Synchronization
import TelemetryModel
package import TelemetrySinks

/// Finds out how to authenticate to a sink, as the flush thread does, and waits for it: for the command line.
package enum CredentialLookup {
    /// Why there are no credentials: a fixed word, never a text of the remote side.
    package struct Failure: Error, Equatable, Sendable {
        package var cause: String
    }

    private final class Causes: Sendable {
        let first = Mutex<String?>(nil)
    }

    /// - Parameters:
    ///   - secretARN: of the secret with `username` and `password`, nil without.
    ///   - environment: for the role's keys.
    ///   - limit: how long Secrets Manager may take.
    package static func authentication(
        for endpoint: Endpoint, secretARN: String?, region: String?, environment: [String: String],
        limit: Duration = .seconds(10)
    ) throws(Failure) -> HTTPAuthentication {
        let causes = Causes()
        guard let loop = try? TransferLoop() else { throw Failure(cause: "transport") }
        let plan = CredentialStore.Plan(
            secretARN: secretARN, source: AWSCredentialSource(environment: environment), region: region,
            secretsManagerURL: environment["AWS_ENDPOINT_URL_SECRETS_MANAGER"] ?? environment["AWS_ENDPOINT_URL"])
        let store = CredentialStore(plan: plan, loop: loop) { notice in
            let cause = notice.fields.first { $0.name == "cause" }?.value ?? notice.event
            causes.first.withLock { if $0 == nil { $0 = cause } }
        }
        let begun = Moment.now()
        var now = begun
        while now.elapsed(since: begun) < limit {
            let time = FlushTime(moment: now, thawed: now.elapsed(since: begun))
            store.checkStall(time)
            if case .ready(let authentication) = store.authentication(for: endpoint, time) { return authentication }
            // The flush thread would back off and ask again; somebody at a keyboard wants the first answer.
            if let cause = causes.first.withLock({ $0 }) { throw Failure(cause: cause) }
            for completion in loop.poll(timeout: .milliseconds(200)) { _ = store.handle(completion, at: .now()) }
            now = .now()
        }
        throw Failure(cause: "timed_out")
    }
}
