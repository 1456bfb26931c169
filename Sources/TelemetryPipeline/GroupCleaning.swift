import HTTPTransport
import TelemetryModel
import TelemetrySinks

/// Removes groups of gone environments of our own function from the PushGateway: once per environment and day, at a
/// random moment, for every environment of a fleet does it.
struct GroupCleaning {
    private static let period: Duration = .seconds(86_400)

    private final class Reader {
        var groups: StaleGroups

        init(_ groups: StaleGroups) {
            self.groups = groups
        }
    }

    private let endpoint: Endpoint
    private let maximumAge: Duration
    private var random: SplitMix64
    private var dueAt: Moment?
    private var listing: (id: TransferID, reader: Reader, form: StaleGroups.Form)?
    private var asksText = false
    private var doomed: [GroupingKey] = []
    private var removal: TransferID?

    init(endpoint: Endpoint, maximumAge: Duration, seed: UInt64) {
        self.endpoint = endpoint
        self.maximumAge = maximumAge
        self.random = SplitMix64(state: seed)
    }

    /// - Returns: how long nothing will be due.
    mutating func step(
        function: FunctionIdentity, instance: String, authentication: HTTPAuthentication, loop: TransferLoop,
        at now: Moment
    ) -> Duration? {
        guard maximumAge > .zero, listing == nil, removal == nil else { return nil }
        let requests = PushRequest(endpoint: endpoint, authentication: authentication)
        if let key = doomed.popLast() {
            var request = requests.delete(key)
            request.totalTimeout = .seconds(10)
            removal = try? loop.start(request)
            return nil
        }
        guard let due = dueAt else {
            // Within a tenth of the age, ten minutes at most: old groups cost every live environment.
            let spread = min(maximumAge.milliseconds / 10, 600_000)
            dueAt = now + .milliseconds(Int64.random(in: 0...max(1, spread), using: &random))
            return .milliseconds(1)
        }
        let left = due.elapsed(since: now)
        guard left <= .zero else { return left }
        guard
            let rule = StaleGroupRule(
                own: GroupingKey(job: function.name, instance: instance), function: function, maximumAge: maximumAge,
                nowMs: now.wallMs)
        else {
            // Account or region are not known yet: an INVOKE will tell.
            dueAt = now + .seconds(60)
            return .seconds(60)
        }
        dueAt = now + Self.period
        let form: StaleGroups.Form = asksText ? .text : .json
        let reader = Reader(StaleGroups(rule: rule, form: form))
        var request = requests.list(form)
        request.totalTimeout = .seconds(60)
        if let id = try? loop.start(request, onBody: { reader.groups.feed($0) }) {
            listing = (id, reader, form)
        }
        return nil
    }

    /// True when the completion was one of ours.
    mutating func handle(_ completion: TransferCompletion) -> Bool {
        if completion.id == removal {
            removal = nil
            return true
        }
        guard let current = listing, current.id == completion.id else { return false }
        listing = nil
        switch completion.result {
        case .success(let response) where response.status == 200: doomed = current.reader.groups.stale
        case .success(let response) where current.form == .json && (response.status == 404 || response.status == 405):
            asksText = true
            dueAt = nil
        // The reader had enough: what it read whole counts.
        case .failure(.cancelled): doomed = current.reader.groups.stale
        default: break
        }
        return true
    }

    /// The look is begun anew at another moment.
    mutating func froze(_ loop: TransferLoop) {
        if listing != nil { dueAt = nil }
        cancel(loop)
    }

    mutating func cancel(_ loop: TransferLoop) {
        if let current = listing { loop.cancel(current.id) }
        if let removal { loop.cancel(removal) }
        listing = nil
        removal = nil
        doomed = []
    }
}
