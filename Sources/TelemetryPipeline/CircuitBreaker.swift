/// Decides whether a request to one sink may begin. It counts requests, never items.
///
/// Closed: requests flow; after a failure the next one waits for the back-off. After ``threshold`` failures in a row it
/// opens: one probe at a time, each after the back-off; the first success closes it.
package struct CircuitBreaker: Sendable {
    package static let threshold = 5

    private var backoff: Backoff
    /// Failures in a row.
    package private(set) var failures = 0
    private var notBefore: Moment?
    private var probing = false
    /// Requests in a row that stood still after a freeze.
    private var lost = 0

    package init(seed: UInt64? = nil) {
        self.backoff = Backoff(seed: seed)
    }

    package var isOpen: Bool { failures >= Self.threshold }

    /// At SHUTDOWN two failures in a row are enough to call a back end dead: the customer pays for every further try.
    package var looksDead: Bool { failures >= 2 }

    /// Nil when a request may begin now, else the moment to ask again. While a probe is out, that is never.
    package func refusal(at now: Moment) -> Refusal? {
        if isOpen, probing { return .untilAnswered }
        if let notBefore, now.passed(since: notBefore) < .zero { return .until(notBefore) }
        return nil
    }

    package enum Refusal: Equatable, Sendable {
        case until(Moment)
        case untilAnswered
    }

    package mutating func began() {
        if isOpen { probing = true }
    }

    package mutating func succeeded() {
        failures = 0
        lost = 0
        notBefore = nil
        probing = false
    }

    /// - Parameter retryAfter: what the server asked for; honoured up to an hour.
    package mutating func failed(at now: Moment, retryAfter: Duration? = nil, floor: Duration = .zero) {
        failures += 1
        lost = 0
        probing = false
        let asked = min(retryAfter ?? .zero, .seconds(3600))
        notBefore = now + backoff.wait(afterFailures: failures, floor: max(asked, floor))
    }

    /// The request stood still after a freeze, which says nothing about the sink. The next one that does so as well
    /// counts: a sink that swallows everything would never be seen by functions that freeze after each request.
    /// - Returns: true when it counted as a failure.
    package mutating func lostInFreeze(at now: Moment) -> Bool {
        let before = lost
        if before > 0 { failed(at: now) }
        lost = before + 1
        probing = false
        return before > 0
    }

    /// The request ended without saying anything about the sink: cancelled, or cut by a freeze.
    package mutating func abandoned() {
        probing = false
    }

    /// Waits a little without counting a failure: the request was refused in a way that the next one may avoid.
    package mutating func pause(at now: Moment, for asked: Duration? = nil) {
        probing = false
        notBefore = now + max(backoff.wait(afterFailures: 1), min(asked ?? .zero, .seconds(3600)))
    }

    /// SHUTDOWN does not wait for a back-off: what is left of the budget is all there is.
    package mutating func expireWait() {
        notBefore = nil
    }
}
