import Foundation
import HTTPTransport

/// Answers the Runtime API's requests. All of it runs on the server's loop.
final class RuntimeAPIRoutes: Sendable {
    private let state: Monitor<RuntimeAPIServer.State>
    private let onSubscription: @Sendable (String, SubscriptionRequest) -> Void

    init(
        state: Monitor<RuntimeAPIServer.State>,
        onSubscription: @escaping @Sendable (String, SubscriptionRequest) -> Void
    ) {
        self.state = state
        self.onSubscription = onSubscription
    }

    func answer(_ request: HTTPServerRequest, _ responder: HTTPResponder) {
        let identifier = request.header("Lambda-Extension-Identifier")
        do throws(RuntimeAPIRefusal) {
            switch (request.method, request.path) {
            case ("POST", "/2020-01-01/extension/register"): try register(request, responder)
            case ("GET", "/2020-01-01/extension/event/next"): try next(identifier, responder)
            case ("POST", "/2020-01-01/extension/init/error"):
                try report(request, identifier, as: .initError, responder)
            case ("POST", "/2020-01-01/extension/exit/error"):
                try report(request, identifier, as: .exitError, responder)
            case ("PUT", "/2022-07-01/telemetry"): try subscribe(request, identifier, responder)
            case (_, "/2020-01-01/extension/register"), (_, "/2020-01-01/extension/event/next"),
                (_, "/2020-01-01/extension/init/error"), (_, "/2020-01-01/extension/exit/error"),
                (_, "/2022-07-01/telemetry"):
                responder.respond(status: 405)
            default: responder.respond(status: 404, body: Array("404 page not found\n".utf8))
            }
        } catch {
            state.withLock { $0.refusals.append(error.type) }
            responder.respond(status: error.status, headers: Self.jsonType, body: error.body)
        }
    }

    private static let jsonType = [HTTPHeader(name: "Content-Type", value: "application/json")]
    private static let accepted = Array("{\"status\":\"OK\"}".utf8)

    // MARK: Register

    private func register(_ request: HTTPServerRequest, _ responder: HTTPResponder) throws(RuntimeAPIRefusal) {
        let name = request.header("Lambda-Extension-Name") ?? ""
        guard !name.isEmpty else { throw .missingName }
        let events = try Self.requestedEvents(request.withBody { Array($0) })
        let wantsAccount =
            request.header("Lambda-Extension-Accept-Feature")?.split(separator: ",")
            .contains { $0.filter { $0 != " " } == "accountId" } ?? false
        let result: Result<(ExtensionAgent, RuntimeAPIOptions), RuntimeAPIRefusal> = state.withLock { state in
            do throws(RuntimeAPIRefusal) {
                return .success((try Self.admit(name, events, &state), state.options))
            } catch {
                return .failure(error)
            }
        }
        let (agent, options) = try result.get()
        var members: [JSONValue.Member] = [
            .init("functionName", .string(options.functionName)),
            .init("functionVersion", .string(options.functionVersion)), .init("handler", .string(options.handler)),
        ]
        if options.omitsRegisterFields { members = [] }
        if wantsAccount { members.append(.init("accountId", .string(options.accountID))) }
        responder.respond(
            status: 200,
            headers: Self.jsonType + [HTTPHeader(name: "Lambda-Extension-Identifier", value: agent.identifier)],
            body: JSONValue.object(members).encoded)
    }

    private static func requestedEvents(_ body: [UInt8]) throws(RuntimeAPIRefusal) -> [String] {
        guard !body.isEmpty else { return [] }
        guard let json = try? StrictJSON.parse(body), case .object = json else { throw .malformedBody }
        if let keys = json["configurationKeys"]?.elements, !keys.isEmpty { throw .obsoleteKeys }
        guard let events = json["events"] else { return [] }
        guard let elements = events.elements else { throw .malformedBody }
        return elements.map { $0.text ?? $0.description }
    }

    private static func admit(
        _ name: String, _ events: [String], _ state: inout RuntimeAPIServer.State
    ) throws(RuntimeAPIRefusal) -> ExtensionAgent {
        let options = state.options
        if options.registerFailures > 0 {
            state.options.registerFailures -= 1
            throw .containerError
        }
        if let type = options.registerRefusal { throw RuntimeAPIRefusal(type, "refused on demand") }
        let isInternal = options.externalNames.map { !$0.contains(name) } ?? false
        var kinds: Set<LifecycleKind> = []
        for event in events {
            guard let kind = LifecycleKind(rawValue: event) else { throw .invalidEvent(event) }
            if kind == .invoke, options.isManagedInstances { throw .invalidEvent(event) }
            if kind == .shutdown, isInternal { throw .invalidEvent(event) }
            kinds.insert(kind)
        }
        guard state.isInitializing else { throw .registrationClosed }
        guard !state.agents.contains(where: { $0.name == name }) else {
            throw .invalidState("Extension \(name) already registered")
        }
        guard state.agents.count < options.extensionLimit else { throw .tooMany }
        let agent = ExtensionAgent(
            identifier: UUID().uuidString.lowercased(), name: name, events: kinds, isInternal: isInternal)
        state.agents.append(agent)
        return agent
    }

    /// Runs `body` on the agent that the header names.
    private func withAgent<R: Sendable>(
        _ identifier: String?,
        _ body: (inout ExtensionAgent, inout RuntimeAPIServer.State) throws(RuntimeAPIRefusal) -> R
    ) throws(RuntimeAPIRefusal) -> R {
        guard let identifier, !identifier.isEmpty else { throw .missingIdentifier }
        guard UUID(uuidString: identifier) != nil else { throw .invalidIdentifier }
        let result: Result<R, RuntimeAPIRefusal> = state.withLock { state in
            guard let index = state.index(of: identifier.lowercased()) else { return .failure(.unknownIdentifier) }
            do throws(RuntimeAPIRefusal) {
                var agent = state.agents[index]
                let value = try body(&agent, &state)
                state.agents[index] = agent
                return .success(value)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    // MARK: Next

    private func next(_ identifier: String?, _ responder: HTTPResponder) throws(RuntimeAPIRefusal) {
        let waiting = LoopConfined(responder)
        let outcome: (identifier: String, replaced: LoopConfined<HTTPResponder>?) =
            try withAgent(identifier) { agent, state throws(RuntimeAPIRefusal) in
                switch agent.state {
                case .registered, .ready, .running: break
                case .initError, .exitError: throw .invalidState("State transition is not allowed")
                }
                if state.options.nextFailures > 0 {
                    state.options.nextFailures -= 1
                    throw .containerError
                }
                let now = ContinuousClock.now
                if agent.firstNextAt == nil { agent.firstNextAt = now }
                agent.lastNextAt = now
                agent.nextCalls += 1
                agent.state = .ready
                let replaced = agent.waiting
                agent.waiting = waiting
                return (agent.identifier, replaced)
            }
        outcome.replaced?.value.abort()
        responder.onClose = { [state] in
            state.withLock { state in
                guard let index = state.index(of: outcome.identifier), state.agents[index].waiting === waiting else {
                    return
                }
                state.agents[index].waiting = nil
            }
        }
        deliver(to: outcome.identifier)
    }

    /// Answers a waiting `next` when there is an event for it. An answer that could not be written goes back.
    func deliver(to identifier: String) {
        let ready: (LoopConfined<HTTPResponder>, LifecycleMessage)? = state.withLock { state in
            guard let index = state.index(of: identifier), let waiting = state.agents[index].waiting,
                !state.agents[index].queued.isEmpty
            else { return nil }
            let message = state.agents[index].queued.removeFirst()
            state.agents[index].waiting = nil
            state.agents[index].state = .running
            state.agents[index].lastDeliveryAt = .now
            return (waiting, message)
        }
        guard let (waiting, message) = ready else { return }
        // As seen at AWS's emulator: SHUTDOWN comes without a content type and without an event identifier.
        var headers: [HTTPHeader] = []
        if let event = message.eventIdentifier {
            headers = Self.jsonType + [HTTPHeader(name: "Lambda-Extension-Event-Identifier", value: event)]
        }
        waiting.value.respond(status: 200, headers: headers, body: message.body) { [state] wasWritten in
            guard !wasWritten else { return }
            state.withLock { state in
                guard let index = state.index(of: identifier) else { return }
                state.agents[index].queued.insert(message, at: 0)
                state.agents[index].state = .ready
            }
        }
    }

    // MARK: Errors reported by the extension

    private func report(
        _ request: HTTPServerRequest, _ identifier: String?, as end: ExtensionAgent.State, _ responder: HTTPResponder
    ) throws(RuntimeAPIRefusal) {
        let type = request.header("Lambda-Extension-Function-Error-Type") ?? ""
        try withAgent(identifier) { agent, state throws(RuntimeAPIRefusal) in
            guard !type.isEmpty else { throw .missingErrorType }
            switch (agent.state, end) {
            case (.registered, .initError), (.registered, .exitError), (.ready, .exitError), (.running, .exitError):
                break
            default: throw .invalidState("State transition from \(agent.state.rawValue) is not allowed")
            }
            agent.state = end
            agent.reportedErrorType = Self.kept(type, end: end, isManaged: state.options.isManagedInstances)
        }
        responder.respond(status: 202, headers: Self.jsonType, body: Self.accepted)
    }

    /// Managed Instances keep a type only when it is `Extension.` and letters.
    private static func kept(_ type: String, end: ExtensionAgent.State, isManaged: Bool) -> String {
        guard isManaged else { return type }
        let name = type.hasPrefix("Extension.") ? type.dropFirst("Extension.".count) : ""
        let isKept = name.count > 1 && name.first?.isUppercase == true && name.allSatisfy { $0.isASCII && $0.isLetter }
        return isKept ? type : end == .initError ? "Extension.InitError" : "Extension.ExitError"
    }

    // MARK: Telemetry

    private func subscribe(
        _ request: HTTPServerRequest, _ identifier: String?, _ responder: HTTPResponder
    ) throws(RuntimeAPIRefusal) {
        let body = request.withBody { Array($0) }
        enum Answer { case subscribed(String, SubscriptionRequest), invalid([UInt8]), notSupported }
        let answer: Answer = try withAgent(identifier) { agent, state throws(RuntimeAPIRefusal) in
            let options = state.options
            var newest = "2025-01-29"
            switch options.telemetry {
            case .available: break
            case .notSupported: return .notSupported
            case .newestSchema(let schema): newest = schema
            case .closed: throw RuntimeAPIRefusal("Telemetry.SubscriptionClosed", "Subscription is closed")
            case .failing: throw .containerError
            }
            guard state.isInitializing else {
                throw RuntimeAPIRefusal("Telemetry.SubscriptionClosed", "Subscription is closed")
            }
            guard agent.subscription == nil else {
                throw RuntimeAPIRefusal("Telemetry.AlreadySubscribed", "Already subscribed", status: 500)
            }
            do throws(SubscriptionRequest.Problems) {
                let subscription = try SubscriptionRequest.parse(
                    body, newestSchema: newest, onlyNewest: options.isManagedInstances)
                agent.subscription = subscription
                return .subscribed(agent.name, subscription)
            } catch {
                return .invalid(error.body)
            }
        }
        switch answer {
        case .subscribed(let name, let subscription):
            onSubscription(name, subscription)
            responder.respond(status: 200, headers: Self.jsonType, body: Array("\"OK\"".utf8))
        case .invalid(let body):
            state.withLock { $0.refusals.append("ValidationError") }
            responder.respond(status: 400, headers: Self.jsonType, body: body)
        case .notSupported:
            let body: JSONValue = [
                "errorMessage": "Telemetry API is not supported", "errorType": "Telemetry.NotSupported",
            ]
            responder.respond(status: 202, headers: Self.jsonType, body: body.encoded)
        }
    }
}
