/// The thread of a ``TelemetryPublisher``: takes a batch, posts it, books the answer.
final class PublisherLoop {
    private enum Outcome {
        case acknowledged(seconds: Double)
        case refused(Int)
        case failed
        case answerLost
    }

    private let publisher: TelemetryPublisher
    private var connections: [RawConnection?]
    private var posts = 0
    private var backoff: Duration

    init(publisher: TelemetryPublisher) {
        self.publisher = publisher
        connections = Array(repeating: nil, count: max(1, publisher.options.connections))
        backoff = publisher.options.firstBackoff
    }

    func run() {
        while let batch = nextBatch() { settle(batch, post(batch)) }
        publisher.state.withLock { state in
            state.isPosting = false
            state.isFinished = true
        }
    }

    // MARK: Choosing

    /// Nil when the publisher is closed.
    private func nextBatch() -> TelemetryPublisher.Batch? {
        enum Decision { case post(TelemetryPublisher.Batch), closed, sooner }
        while true {
            let timeout = publisher.state.withLock { timeToNextDecision($0) }
            let end = ContinuousClock.now + timeout
            let decision = publisher.state.wait(timeout: timeout) { state -> Decision? in
                if state.isClosed { return .closed }
                guard !state.isPaused, let batch = self.dueBatch(&state) else {
                    // The first event of a queue that was empty starts its own time.
                    return .now + self.timeToNextDecision(state) + .milliseconds(1) < end ? .sooner : nil
                }
                state.unacknowledged = batch
                state.isPosting = true
                return .post(batch)
            }
            switch decision {
            case .post(let batch): return batch
            case .closed: return nil
            case .sooner, nil: continue
            }
        }
    }

    private var timeout: Duration { .milliseconds(publisher.subscription.timeoutMs) }

    private func timeToNextDecision(_ state: TelemetryPublisher.State) -> Duration {
        let idle = Duration.seconds(1)
        guard !state.isPaused else { return idle }
        if let retryAt = state.retryAt { return max(.zero, min(idle, retryAt - .now)) }
        if let since = state.queue.since { return max(.zero, min(idle, since + timeout - .now)) }
        return idle
    }

    private func dueBatch(_ state: inout TelemetryPublisher.State) -> TelemetryPublisher.Batch? {
        if var batch = state.unacknowledged {
            if let retryAt = state.retryAt, retryAt > .now { return nil }
            state.retryAt = nil
            batch.isRedelivery = true
            batch.loss = nil
            return batch
        }
        if let redelivery = state.redeliveries.first, !state.lastAcknowledged.isEmpty,
            redelivery == .sameBody || !state.queue.isEmpty
        {
            state.redeliveries.removeFirst()
            return batch(again: state.lastAcknowledged, redelivery, &state)
        }
        reportDrops(&state)
        let subscription = publisher.subscription
        let queue = state.queue
        guard !queue.isEmpty else {
            state.isFlushing = false
            return nil
        }
        let isDue =
            state.isFlushing || queue.count >= subscription.maxItems || queue.bytes >= subscription.maxBytes
            || queue.closers > 0 || queue.since.map { $0 + timeout <= .now } ?? true
        guard isDue else { return nil }
        var batch = TelemetryPublisher.Batch(
            elements: state.queue.take(maxItems: subscription.maxItems, maxBytes: subscription.maxBytes))
        if !state.losses.isEmpty { batch.loss = state.losses.removeFirst() }
        return batch
    }

    private func batch(
        again elements: [TelemetryElement], _ redelivery: Redelivery, _ state: inout TelemetryPublisher.State
    ) -> TelemetryPublisher.Batch {
        var all = elements
        if redelivery == .regrouped, elements.last?.closesBody != true {
            let room = max(1, publisher.subscription.maxItems - elements.count)
            all += state.queue.take(maxItems: room, maxBytes: publisher.subscription.maxBytes)
        }
        var batch = TelemetryPublisher.Batch(elements: all)
        batch.isRedelivery = true
        return batch
    }

    private func reportDrops(_ state: inout TelemetryPublisher.State) {
        guard state.droppedRecords > 0 else { return }
        let event = PlatformEvents.logsDropped(records: state.droppedRecords, bytes: state.droppedBytes)
        state.droppedRecords = 0
        state.droppedBytes = 0
        guard publisher.subscription.types.contains(event.stream) else { return }
        publisher.books.offer(event.key)
        for element in RecordCutter.elements(
            of: event, schema: publisher.subscription.schemaVersion, maxBytes: publisher.subscription.maxBytes)
        {
            state.queue.append(element)
        }
    }

    // MARK: Posting

    private func post(_ batch: TelemetryPublisher.Batch) -> Outcome {
        posts += 1
        publisher.books.post(isRedelivery: batch.isRedelivery)
        publisher.options.onPost?(posts)
        let slot = posts % connections.count
        let isReused = connections[slot].map { !$0.isPeerGone } ?? false
        do {
            return try exchange(batch, slot: slot)
        } catch .closed where isReused {
            // A kept connection may have died in between: any client tries once more on a fresh one.
            connections[slot] = nil
            do {
                return try exchange(batch, slot: slot)
            } catch {
                connections[slot] = nil
                return .failed
            }
        } catch {
            connections[slot] = nil
            return .failed
        }
    }

    private func exchange(_ batch: TelemetryPublisher.Batch, slot: Int) throws(RawConnectionError) -> Outcome {
        let connection: RawConnection
        if let kept = connections[slot], !kept.isPeerGone {
            connection = kept
        } else {
            connection = try RawConnection(port: publisher.subscription.port)
            let state = publisher.state
            connection.isCancelled = { state.withLock { $0.isClosed } }
            connections[slot] = connection
        }
        let began = ContinuousClock.now
        try connection.send(head(of: batch) + framed(batch.body))
        if let loss = batch.loss {
            if loss.how == .unread {
                try connection.waitForAnswer(timeout: publisher.options.answerTimeout)
                connection.reset()
            } else {
                connection.close()
            }
            connections[slot] = nil
            return .answerLost
        }
        var seconds = 0.0
        let response = try readAnswer(connection) {
            seconds = (ContinuousClock.now - began).seconds
        }
        guard (200..<400).contains(response.status) else { return .refused(response.status) }
        publisher.options.onAcknowledgement?(posts)
        return .acknowledged(seconds: seconds)
    }

    /// Waits in slices, so that frozen time does not count.
    private func readAnswer(
        _ connection: RawConnection, onHead: () -> Void
    ) throws(RawConnectionError) -> RawResponse {
        let slice = Duration.milliseconds(500)
        var left = publisher.options.answerTimeout
        while true {
            do {
                try connection.waitForAnswer(timeout: slice)
                return try connection.readResponse(timeout: publisher.options.answerTimeout, onHead: onHead)
            } catch .timedOut where left > slice {
                if !publisher.state.withLock({ $0.isPaused }) { left -= slice }
            }
        }
    }

    private func head(of batch: TelemetryPublisher.Batch) -> [UInt8] {
        var text = "POST \(publisher.subscription.path) HTTP/1.1\r\n"
        text += "Host: sandbox.localdomain:\(publisher.subscription.port)\r\n"
        text += "Content-Type: application/json\r\n"
        if publisher.options.sendsSequenceID { text += "Sequence-Id: \(posts)\r\n" }
        if publisher.options.chunkBytes != nil {
            text += "Transfer-Encoding: chunked\r\n\r\n"
        } else {
            text += "Content-Length: \(batch.body.count)\r\n\r\n"
        }
        return Array(text.utf8)
    }

    private func framed(_ body: [UInt8]) -> [UInt8] {
        guard let size = publisher.options.chunkBytes else { return body }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: body.count, by: max(1, size)) {
            let end = min(body.count, start + max(1, size))
            bytes += Array("\(String(end - start, radix: 16))\r\n".utf8) + body[start..<end] + [13, 10]
        }
        return bytes + Array("0\r\n\r\n".utf8)
    }

    // MARK: Settling

    private func settle(_ batch: TelemetryPublisher.Batch, _ outcome: Outcome) {
        let books = publisher.books
        switch outcome {
        case .acknowledged(let seconds):
            books.acknowledge(batch.elements, bodyBytes: batch.body.count, seconds: seconds)
            backoff = publisher.options.firstBackoff
            publisher.state.withLock { state in
                state.unacknowledged = nil
                state.isPosting = false
                state.lastAcknowledged = batch.elements
            }
        case .answerLost:
            books.loseAnswer(elements: batch.elements.count)
            publisher.state.withLock { state in
                state.isPosting = false
                if batch.loss?.then == .regrouped {
                    state.unacknowledged = regrouped(batch, &state)
                }
            }
        case .refused(let status):
            books.refuse(status: status)
            retryOrDrop(batch)
        case .failed:
            books.fail()
            retryOrDrop(batch)
        }
    }

    private func regrouped(
        _ batch: TelemetryPublisher.Batch, _ state: inout TelemetryPublisher.State
    ) -> TelemetryPublisher.Batch {
        self.batch(again: batch.elements, .regrouped, &state)
    }

    private func retryOrDrop(_ batch: TelemetryPublisher.Batch) {
        if publisher.options.onRefusal == .drop {
            for element in batch.elements { publisher.books.drop(element.key, bytes: element.bytes.count) }
            publisher.state.withLock { state in
                state.unacknowledged = nil
                state.isPosting = false
                state.droppedRecords += batch.elements.count
                state.droppedBytes += batch.body.count
            }
            return
        }
        let wait = backoff
        backoff = min(publisher.options.longestBackoff, backoff * 2)
        publisher.state.withLock { state in
            state.isPosting = false
            state.retryAt = .now + wait
        }
    }
}
