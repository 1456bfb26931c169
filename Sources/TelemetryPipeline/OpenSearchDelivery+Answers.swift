import HTTPTransport
import TelemetryModel
import TelemetrySinks
import TelemetrySpool

/// Answers, and requests that ended without one.
extension OpenSearchDelivery {
    func handle(_ completion: TransferCompletion, _ time: FlushTime) -> Bool {
        if let outcome = setup.handle(completion, time) {
            if case .failed(let retryAfter) = outcome { setupFailed(completion, after: retryAfter, time) }
            return true
        }
        guard let flight = flights.removeValue(forKey: completion.id) else { return false }
        CrashPoint.reach(.answerReceived)
        switch completion.result {
        case .success(let response): answered(flight, response, time)
        case .failure(let error): broke(flight, error, completion, time)
        }
        return true
    }

    private func setupFailed(_ completion: TransferCompletion, after: Duration?, _ time: FlushTime) {
        giveBack()
        switch completion.result {
        case .success(let response):
            let isUnauthorized = response.status == 401
            if isUnauthorized { credentials.refused(time) }
            breaker.failed(at: time.moment, retryAfter: after, floor: isUnauthorized ? .seconds(5) : .zero)
            notice(
                Notice(
                    .warning, isUnauthorized ? "opensearch_unauthorized" : "opensearch_failed",
                    [("status", String(response.status))]))
        case .failure(let error):
            breaker.failed(at: time.moment)
            notice(Notice(.warning, "opensearch_unreachable", [("cause", error.description)]))
        }
    }

    func answered(_ flight: BulkFlight, _ response: HTTPResponse, _ time: FlushTime) {
        shutdown?.answered = true
        let verdict = RequestVerdict(status: response.status, retryAfter: response.header("Retry-After"))
        switch verdict {
        case .items: items(flight, time)
        case .split(let weight, let after): tooLarge(flight, weight, after: after, time)
        case .badRequest: badRequest(flight, response.status, time)
        case .unauthorized:
            credentials.refused(time)
            refused(flight, time, floor: .seconds(5), event: "opensearch_unauthorized", status: response.status)
        case .notFound:
            refused(flight, time, floor: .seconds(5), event: "opensearch_not_found", status: response.status)
        case .closedWithoutAnswer: refused(flight, time, event: "opensearch_failed", status: response.status)
        case .retry(let after):
            refused(flight, time, after: after, event: "opensearch_failed", status: response.status)
        }
    }

    func broke(
        _ flight: BulkFlight, _ error: HTTPError, _ completion: TransferCompletion, _ time: FlushTime
    ) {
        // An answer that broke off confirms the items that had come.
        if flight.reader.answer.items > 0 { return items(flight, time) }
        let wasFrozen = flight.transfer.isFrozen
        if !wasFrozen, flight.compressed, error == .closedWithoutAnswer || error == .interrupted,
            completion.bytesReceived == 0,
            gzip.gzipFailed(closed: true, at: time.moment)
        {
            resendPlain(flight)
            return
        }
        if !flight.compressed { gzip.plainFailed() }
        release(flight)
        if wasFrozen {
            breaker.abandoned()
        } else {
            failed(time, isUnreachable: error == .connect || error == .resolve)
            notice(Notice(.warning, "opensearch_unreachable", [("cause", error.description)]))
        }
    }

    func refused(
        _ flight: BulkFlight, _ time: FlushTime, after: Duration? = nil, floor: Duration = .zero, event: String,
        status: Int
    ) {
        release(flight)
        failed(time, after: after, floor: floor)
        notice(Notice(.warning, event, [("status", String(status))]))
    }

    func failed(
        _ time: FlushTime, after: Duration? = nil, floor: Duration = .zero, isUnreachable: Bool = false
    ) {
        breaker.failed(at: time.moment, retryAfter: after, floor: floor)
        setup.documentsFailed()
        guard var phase = shutdown else { return }
        // The customer pays for this time: a back end that is known to be down gets one probe.
        if phase.probeUntil != nil || breaker.isOpen || (isUnreachable && breaker.looksDead) { phase.gaveUp = true }
        shutdown = phase
    }

    func resendPlain(_ flight: BulkFlight) {
        breaker.abandoned()
        if pending == nil {
            pending = PendingBulk(chunks: flight.chunks, plain: true)
        } else {
            gzip.plainFailed()
            release(flight)
        }
    }

    func accepted(_ flight: BulkFlight) {
        breaker.succeeded()
        shutdown?.probeUntil = nil
        if flight.compressed { gzip.gzipAccepted() } else { gzip.plainAccepted() }
    }
}
