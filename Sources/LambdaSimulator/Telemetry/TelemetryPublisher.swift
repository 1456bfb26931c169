import Foundation

/// Delivers events to one subscriber by Lambda's rules: batches by `maxItems`, `maxBytes` and `timeoutMs`, one POST in
/// flight, drops and says so when the receiver is too slow.
///
/// One thread of its own posts; everything else may be called from any thread.
package final class TelemetryPublisher: Sendable {
    struct Batch: Sendable {
        var elements: [TelemetryElement]
        var body: [UInt8]
        var isRedelivery = false
        /// How the answer is to be lost, if it is.
        var loss: (how: LostAnswer, then: Redelivery)?

        init(elements: [TelemetryElement]) {
            self.elements = elements
            body = [UInt8(ascii: "[")]
            body.reserveCapacity(elements.reduce(2) { $0 + $1.bytes.count + 1 })
            for (index, element) in elements.enumerated() {
                if index > 0 { body.append(UInt8(ascii: ",")) }
                body += element.bytes
            }
            body.append(UInt8(ascii: "]"))
        }
    }

    struct State: Sendable {
        var queue = ElementQueue()
        var isPaused = false
        var isClosed = false
        var isFlushing = false
        /// Sent and not acknowledged: goes out before anything else.
        var unacknowledged: Batch?
        var isPosting = false
        var retryAt: ContinuousClock.Instant?
        var lastAcknowledged: [TelemetryElement] = []
        var losses: [(how: LostAnswer, then: Redelivery)] = []
        var redeliveries: [Redelivery] = []
        /// Dropped and not yet reported.
        var droppedRecords = 0
        var droppedBytes = 0
        var isFinished = false
    }

    /// What a closed publisher leaves behind: a service goes on delivering it to the next subscriber.
    package struct Leftover: Sendable {
        var unacknowledged: Batch?
        var queued: [TelemetryElement]
    }

    package let subscription: SubscriptionRequest
    package let extensionName: String
    package let books: TelemetryBooks
    let options: PublisherOptions
    let state = Monitor(State())

    package init(
        extensionName: String, subscription: SubscriptionRequest, options: PublisherOptions, books: TelemetryBooks,
        leftover: Leftover? = nil
    ) {
        self.extensionName = extensionName
        self.subscription = subscription
        self.options = options
        self.books = books
        if let leftover {
            state.withLock { state in
                state.unacknowledged = leftover.unacknowledged
                for element in leftover.queued { state.queue.append(element) }
            }
        }
        let thread = Thread { [self] in PublisherLoop(publisher: self).run() }
        thread.name = "telemetry"
        thread.start()
    }

    // MARK: Making events

    /// Queues an event of a subscribed stream, or drops it when the buffer is full.
    package func offer(_ event: TelemetryEvent) {
        guard subscription.types.contains(event.stream) else { return }
        books.offer(event.key)
        let elements = RecordCutter.elements(
            of: event, schema: subscription.schemaVersion, maxBytes: subscription.maxBytes,
            placement: options.cutPlacement)
        let size = elements.reduce(0) { $0 + $1.bytes.count }
        let limit = max(options.bufferBytes, 2 * subscription.maxBytes)
        let isQueued = state.wait(timeout: options.overflow == .block ? nil : .zero) { state -> Bool? in
            if state.isClosed { return false }
            // An event larger than the buffer still gets through when it is alone.
            guard state.queue.isEmpty || state.queue.bytes + size <= limit else {
                return options.overflow == .block ? nil : false
            }
            for element in elements { state.queue.append(element) }
            return true
        }
        guard isQueued != true else { return }
        books.drop(event.key, bytes: size)
        state.withLock { state in
            state.droppedRecords += 1
            state.droppedBytes += size
        }
    }

    // MARK: Control

    /// The environment is frozen: no POST is begun, no timer fires.
    package func pause() { state.withLock { $0.isPaused = true } }
    package func resume() { state.withLock { $0.isPaused = false } }

    /// Sends what is queued now, without waiting for a threshold.
    package func flush() { state.withLock { $0.isFlushing = true } }

    /// The next `count` answers are lost.
    package func loseAnswers(_ how: LostAnswer, then: Redelivery, count: Int = 1) {
        state.withLock { state in
            for _ in 0..<count { state.losses.append((how, then)) }
        }
    }

    /// Sends the last acknowledged events once more.
    package func redeliver(_ redelivery: Redelivery) { state.withLock { $0.redeliveries.append(redelivery) } }

    /// True when nothing is queued or in flight.
    package var isIdle: Bool { state.withLock { Self.isIdle($0) } }

    private static func isIdle(_ state: State) -> Bool {
        state.queue.isEmpty && state.unacknowledged == nil && !state.isPosting && state.redeliveries.isEmpty
            && state.droppedRecords == 0
    }

    /// Flushes and waits until everything is acknowledged. False when `timeout` passed first.
    package func drain(timeout: Duration) -> Bool {
        flush()
        return state.wait(timeout: timeout) { Self.isIdle($0) || $0.isClosed ? true : nil } ?? false
    }

    /// Ends the thread, cutting off a POST in flight.
    package func close() -> Leftover {
        state.withLock { $0.isClosed = true }
        _ = state.wait(timeout: .seconds(5)) { $0.isFinished ? true : nil }
        return state.withLock { state in
            Leftover(unacknowledged: state.unacknowledged, queued: state.queue.removeAll())
        }
    }
}

/// First in, first out, with its size in bytes and the age of its head.
struct ElementQueue: Sendable {
    private var elements: [TelemetryElement] = []
    private var head = 0
    private(set) var bytes = 0
    /// When the present head of the queue could first have been sent.
    private(set) var since: ContinuousClock.Instant?
    /// Elements that end their body.
    private(set) var closers = 0

    var isEmpty: Bool { head == elements.count }
    var count: Int { elements.count - head }

    mutating func append(_ element: TelemetryElement) {
        if isEmpty { since = .now }
        elements.append(element)
        bytes += element.bytes.count
        if element.closesBody { closers += 1 }
    }

    /// The next body's elements: at most `maxItems`, closed when `maxBytes` is reached.
    mutating func take(maxItems: Int, maxBytes: Int) -> [TelemetryElement] {
        var taken: [TelemetryElement] = []
        var size = 0
        while head < elements.count, taken.count < maxItems {
            let element = elements[head]
            if !taken.isEmpty, element.opensBody { break }
            taken.append(element)
            size += element.bytes.count
            head += 1
            if element.closesBody {
                closers -= 1
                break
            }
            if size >= maxBytes { break }
        }
        bytes -= size
        if head > 4096 || head == elements.count {
            elements.removeFirst(head)
            head = 0
        }
        since = isEmpty ? nil : .now
        return taken
    }

    mutating func removeAll() -> [TelemetryElement] {
        let rest = Array(elements[head...])
        self = ElementQueue()
        return rest
    }
}
