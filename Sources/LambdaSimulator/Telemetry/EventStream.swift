import Synchronization

/// Where an environment's events go: to every publisher that subscribed to their stream. During init they are kept as
/// well, so that a subscriber that comes late gets what was before it.
package final class EventStream: Sendable {
    private struct State: Sendable {
        var publishers: [String: TelemetryPublisher] = [:]
        var initEvents: [TelemetryEvent] = []
        var isInitializing = false
        var leftovers: [String: TelemetryPublisher.Leftover] = [:]
        var isPaused = false
        var announcesSubscriptions = true
    }

    private let state = Mutex(State())
    private let options: PublisherOptions
    package let books: TelemetryBooks

    init(options: PublisherOptions, books: TelemetryBooks) {
        self.options = options
        self.books = books
    }

    package var publishers: [TelemetryPublisher] {
        state.withLock { $0.publishers.sorted { $0.key < $1.key }.map(\.value) }
    }

    func emit(_ event: TelemetryEvent) {
        let receivers = state.withLock { state in
            if state.isInitializing { state.initEvents.append(event) }
            return Array(state.publishers.values)
        }
        for publisher in receivers { publisher.offer(event) }
    }

    func beginInit() {
        state.withLock { $0.isInitializing = true }
    }

    func endInit() {
        state.withLock { state in
            state.isInitializing = false
            state.initEvents = []
        }
    }

    func subscribe(_ name: String, _ subscription: SubscriptionRequest) {
        let (publisher, earlier) = state.withLock { state in
            let publisher = TelemetryPublisher(
                extensionName: name, subscription: subscription, options: options, books: books,
                leftover: state.leftovers.removeValue(forKey: name))
            if state.isPaused { publisher.pause() }
            state.publishers[name] = publisher
            return (publisher, state.initEvents)
        }
        for event in earlier { publisher.offer(event) }
        guard state.withLock({ $0.announcesSubscriptions }) else { return }
        emit(PlatformEvents.telemetrySubscription(name, types: subscription.types))
    }

    func pause() {
        let publishers = state.withLock { state in
            state.isPaused = true
            return Array(state.publishers.values)
        }
        for publisher in publishers { publisher.pause() }
    }

    func resume() {
        let publishers = state.withLock { state in
            state.isPaused = false
            return Array(state.publishers.values)
        }
        for publisher in publishers { publisher.resume() }
    }

    func flush() {
        for publisher in publishers { publisher.flush() }
    }

    /// Ends all publishers. What they had not delivered is kept for a subscriber of the same name.
    func closePublishers() {
        let closing = state.withLock { state in
            defer { state.publishers = [:] }
            // What happens until the next subscription is told to the next subscriber.
            if !state.publishers.isEmpty {
                state.isInitializing = true
                state.initEvents = []
            }
            return state.publishers
        }
        for (name, publisher) in closing {
            let leftover = publisher.close()
            state.withLock { $0.leftovers[name] = leftover }
        }
    }

    var leftovers: [String: TelemetryPublisher.Leftover] { state.withLock { $0.leftovers } }

    /// Gives what a snapshot had not delivered to this copy's subscribers, as bodies of their own. Their subscription is
    /// not announced: on the real service it is the snapshot's.
    func adopt(_ leftovers: [String: TelemetryPublisher.Leftover]) {
        for leftover in leftovers.values {
            for element in leftover.unacknowledged?.elements ?? [] { books.offer(element.key) }
            for element in leftover.queued { books.offer(element.key) }
        }
        state.withLock { state in
            state.leftovers = leftovers
            state.announcesSubscriptions = false
        }
    }
}
