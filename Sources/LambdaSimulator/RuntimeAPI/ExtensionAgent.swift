import HTTPTransport

/// An event that an extension gets from `next`.
package struct LifecycleMessage: Sendable {
    package var kind: LifecycleKind
    package var body: [UInt8]
    /// Set on INVOKE.
    var eventIdentifier: String?
}

/// What the Runtime API knows of one registered extension.
package struct ExtensionAgent: Sendable {
    package enum State: String, Sendable {
        case registered = "Registered"
        case ready = "Ready"
        case running = "Running"
        case initError = "InitError"
        case exitError = "ExitError"
    }

    package let identifier: String
    package let name: String
    package let events: Set<LifecycleKind>
    package let isInternal: Bool
    package var state = State.registered
    package let registeredAt: ContinuousClock.Instant
    /// The first call of `next`: "my init is done".
    package var firstNextAt: ContinuousClock.Instant?
    package var lastNextAt: ContinuousClock.Instant?
    package var nextCalls = 0
    /// When the last event was handed over.
    package var lastDeliveryAt: ContinuousClock.Instant?
    package var reportedErrorType: String?
    package var subscription: SubscriptionRequest?
    var queued: [LifecycleMessage] = []
    var waiting: LoopConfined<HTTPResponder>?

    /// True in `next` with nothing on the way.
    package var isIdle: Bool { state == .ready && queued.isEmpty && waiting != nil }

    init(identifier: String, name: String, events: Set<LifecycleKind>, isInternal: Bool) {
        self.identifier = identifier
        self.name = name
        self.events = events
        self.isInternal = isInternal
        self.registeredAt = .now
    }
}
