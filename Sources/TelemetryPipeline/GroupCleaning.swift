import HTTPTransport
import TelemetryModel
import TelemetrySinks

/// Removes groups of gone environments of our own function from the PushGateway: once per environment and day, at a
/// random moment, for every environment of a fleet does it.
///
/// Its requests go on over a freeze as all others do, and what is cut by one is taken up again.
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
    private var random: Jitter
    private var dueAt: Moment?
    private var listing: (transfer: WatchedTransfer, reader: Reader, form: StaleGroups.Form)?
    private var asksText = false
    private var doomed: [GroupingKey] = []
    private var removal: (transfer: WatchedTransfer, key: GroupingKey)?

    init(endpoint: Endpoint, maximumAge: Duration, seed: UInt64? = nil) {
        self.endpoint = endpoint
        self.maximumAge = maximumAge
        self.random = Jitter(seed: seed)
    }

    /// - Returns: how long nothing will be due.
    mutating func step(
        function: FunctionIdentity, instance: String, authentication: HTTPAuthentication, loop: TransferLoop,
        _ time: FlushTime
    ) -> Duration? {
        let now = time.moment
        guard maximumAge > .zero, listing == nil, removal == nil else { return nil }
        let requests = PushRequest(endpoint: endpoint, authentication: authentication)
        if let key = doomed.popLast() {
            removal = (try? WatchedTransfer.start(requests.delete(key), on: loop, time)).map { ($0, key) }
            return .seconds(1)
        }
        guard let due = dueAt else {
            // Within a tenth of the age, ten minutes at most: old groups cost every live environment.
            let spread = min(maximumAge.milliseconds / 10, 600_000)
            dueAt = now + .milliseconds(Int64.random(in: 0...max(1, spread), using: &random))
            return .milliseconds(1)
        }
        let left = .zero - now.passed(since: due)
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
        let onBody: (UnsafeRawBufferPointer) -> Bool = { reader.groups.feed($0) }
        if let transfer = try? WatchedTransfer.start(requests.list(form), on: loop, time, onBody: onBody) {
            listing = (transfer, reader, form)
        }
        return .seconds(1)
    }

    /// Gives up what stands still.
    /// - Returns: how long nothing will be due.
    mutating func checkStall(_ loop: TransferLoop, _ time: FlushTime) -> Duration? {
        var wait: Duration?
        if var current = listing {
            let verdict = current.transfer.check(loop, time)
            listing = current
            if case .waiting(let left) = verdict {
                wait = left
            } else {
                loop.cancel(current.transfer.id)
                listing = nil
                if verdict == .lostInFreeze { dueAt = nil }
            }
        }
        if var current = removal {
            let verdict = current.transfer.check(loop, time)
            removal = current
            if case .waiting(let left) = verdict {
                wait = shorter(wait, left)
            } else {
                loop.cancel(current.transfer.id)
                removal = nil
                if verdict == .lostInFreeze { doomed.append(current.key) }
            }
        }
        return wait
    }

    /// True when the completion was one of ours.
    mutating func handle(_ completion: TransferCompletion) -> Bool {
        if let current = removal, current.transfer.id == completion.id {
            removal = nil
            if case .failure = completion.result, current.transfer.isFrozen { doomed.append(current.key) }
            return true
        }
        guard let current = listing, current.transfer.id == completion.id else { return false }
        listing = nil
        switch completion.result {
        case .success(let response) where response.status == 200: doomed = current.reader.groups.stale
        case .success(let response) where current.form == .json && (response.status == 404 || response.status == 405):
            asksText = true
            dueAt = nil
        // The reader had enough: what it read whole counts.
        case .failure(.cancelled): doomed = current.reader.groups.stale
        // The look is begun anew at another moment.
        case .failure where current.transfer.isFrozen: dueAt = nil
        default: break
        }
        return true
    }

    mutating func froze(_ time: FlushTime) {
        listing?.transfer.froze(time)
        removal?.transfer.froze(time)
    }

    mutating func cancel(_ loop: TransferLoop) {
        if let listing { loop.cancel(listing.transfer.id) }
        if let removal { loop.cancel(removal.transfer.id) }
        listing = nil
        removal = nil
        doomed = []
    }
}
