import Foundation
import HTTPTransport

/// The endpoint that `AWS_LAMBDA_RUNTIME_API` names: the Extensions API and the subscription side of the Telemetry API,
/// for extensions in any language, with the states and refusals of AWS's emulator.
///
/// It knows nothing of processes or time: ``ExecutionEnvironment`` tells it what to hand out and watches the agents.
package final class RuntimeAPIServer: Sendable {
    struct State: Sendable {
        var options: RuntimeAPIOptions
        var agents: [ExtensionAgent] = []
        /// Registration and subscription are open.
        var isInitializing = true
        /// Answers other than 2xx given so far.
        var refusals: [String] = []

        func index(of identifier: String) -> Int? { agents.firstIndex { $0.identifier == identifier } }
    }

    private let state: Monitor<State>
    private let server: ServerThread
    private let routes: RuntimeAPIRoutes

    /// `onSubscription` runs on the server's thread, before the 200 leaves.
    package init(
        options: RuntimeAPIOptions = RuntimeAPIOptions(), address: String = "127.0.0.1", port: UInt16 = 0,
        onSubscription: @escaping @Sendable (_ extensionName: String, SubscriptionRequest) -> Void = { _, _ in }
    ) throws {
        let state = Monitor(State(options: options))
        let routes = RuntimeAPIRoutes(state: state, onSubscription: onSubscription)
        self.state = state
        self.routes = routes
        self.server = try ServerThread(name: "runtime-api", address: address, port: port) { request, responder in
            routes.answer(request, responder)
        }
        self.address = "\(address):\(server.port)"
    }

    /// `host:port`, as in `AWS_LAMBDA_RUNTIME_API`.
    package let address: String

    package func stop() { server.stop() }

    package var agents: [ExtensionAgent] { state.withLock { $0.agents } }
    package func agent(named name: String) -> ExtensionAgent? { agents.first { $0.name == name } }

    /// `type` of every refusal, in order.
    package var refusals: [String] { state.withLock { $0.refusals } }

    package func changeOptions(_ change: (inout RuntimeAPIOptions) -> Void) {
        state.withLock { change(&$0.options) }
    }

    /// The runtime is ready: register and subscribe are refused from here on.
    package func closeRegistration() { state.withLock { $0.isInitializing = false } }

    /// Forgets all agents and opens registration: a new init over the same address.
    package func reset() {
        state.withLock { state in
            state.agents = []
            state.isInitializing = true
        }
    }

    /// Waits until `condition` gives a value for the agents.
    package func wait<R>(timeout: Duration?, _ condition: ([ExtensionAgent]) -> R?) -> R? {
        state.wait(timeout: timeout) { condition($0.agents) }
    }

    /// Lets waiters look again, after something outside the agents has changed.
    package func wake() { state.withLock { _ in } }

    /// Hands INVOKE to every agent that registered for it. Returns their names.
    @discardableResult
    package func sendInvoke(requestID: String, deadlineMs: Int64, functionARN: String, traceHeader: String?) -> [String]
    {
        var event: JSONValue = [
            "eventType": "INVOKE", "deadlineMs": .integer(deadlineMs), "requestId": .string(requestID),
            "invokedFunctionArn": .string(functionARN),
        ]
        if let traceHeader, case .object(var members) = event {
            members.append(.init("tracing", ["type": "X-Amzn-Trace-Id", "value": .string(traceHeader)]))
            event = .object(members)
        }
        return send(
            LifecycleMessage(kind: .invoke, body: event.encoded, eventIdentifier: UUID().uuidString.lowercased()))
    }

    /// Hands SHUTDOWN to every agent that registered for it. Returns their names.
    @discardableResult
    package func sendShutdown(reason: ShutdownReason, deadlineMs: Int64) -> [String] {
        let isUpper = state.withLock { $0.options.upperCaseReason }
        let event: JSONValue = [
            "eventType": "SHUTDOWN",
            "shutdownReason": .string(isUpper ? reason.rawValue.uppercased() : reason.rawValue),
            "deadlineMs": .integer(deadlineMs),
        ]
        return send(LifecycleMessage(kind: .shutdown, body: event.encoded, eventIdentifier: nil))
    }

    private func send(_ message: LifecycleMessage) -> [String] {
        let receivers = state.withLock { state in
            state.agents.indices.compactMap { index -> String? in
                guard state.agents[index].events.contains(message.kind) else { return nil }
                switch state.agents[index].state {
                case .ready, .running: break
                default: return nil
                }
                state.agents[index].queued.append(message)
                return state.agents[index].identifier
            }
        }
        for identifier in receivers {
            server.perform { [routes] in routes.deliver(to: identifier) }
        }
        return state.withLock { state in
            receivers.compactMap { identifier in state.agents.first { $0.identifier == identifier }?.name }
        }
    }
}
