import Dispatch
import HTTPTransport
import Synchronization

/// A request as the simulated services see it.
package struct ServiceRequest: Sendable {
    package var method: String
    /// As sent, without the query.
    package var path: String
    package var query: [String: String]
    package var contentType: String?
    package var contentEncoding: String?
    package var authorization: String?
    package var body: [UInt8]
}

package struct ServiceAnswer: Sendable {
    package var status: Int
    package var contentType: String?
    package var headers: [String: String]
    package var body: [UInt8]

    package init(_ status: Int, contentType: String? = nil, headers: [String: String] = [:], body: [UInt8] = []) {
        self.status = status
        self.contentType = contentType
        self.headers = headers
        self.body = body
    }

    package init(_ status: Int, json: JSONValue) {
        self.init(status, contentType: "application/json; charset=UTF-8", body: json.encoded)
    }

    package init(_ status: Int, text: String) {
        self.init(status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
    }
}

/// What one request to a simulated service was and how it ended.
package struct RequestRecord: Sendable {
    package var method: String
    package var path: String
    /// Bytes on the wire, without headers.
    package var bodyBytes: Int
    package var isGzip: Bool
    /// True when credentials came with it.
    package var isAuthorized: Bool
    /// Nil: no answer was given.
    package var status: Int?
    /// Documents stored by a bulk request.
    package var stored: Int
    /// True when a fault of the plan struck.
    package var isFaulted: Bool
    package var receivedAt: ContinuousClock.Instant
}

/// What a service makes of a request. `nil`: closes the connection without an answer.
package struct ServiceOutcome: Sendable {
    package var answer: ServiceAnswer?
    package var stored: Int

    package init(_ answer: ServiceAnswer?, stored: Int = 0) {
        self.answer = answer
        self.stored = stored
    }
}

/// An HTTP server that strikes its clients with the faults of a plan, can stop listening and start again on its port,
/// and lets its plan be read and changed under `/_simulator/faults` (GET, PUT, DELETE).
package final class FaultyServer: Sendable {
    private struct State {
        var server: ServerThread?
        var requests: [RequestRecord] = []
        var total = 0
    }

    package let name: String
    package let port: UInt16
    package let faults = FaultPlan()
    private let address: String
    private let state: Mutex<State>
    private let isDefaultTarget: @Sendable (ServiceRequest) -> Bool
    private let serve: @Sendable (ServiceRequest, _ ignoredItems: Int) -> ServiceOutcome

    /// Requests kept for ``requests``; older ones are forgotten, ``requestCount`` counts on.
    private static let keptRequests = 100_000

    package init(
        name: String, address: String = "127.0.0.1", port: UInt16 = 0,
        isDefaultTarget: @escaping @Sendable (ServiceRequest) -> Bool,
        serve: @escaping @Sendable (ServiceRequest, _ ignoredItems: Int) -> ServiceOutcome
    ) throws {
        self.name = name
        self.address = address
        self.isDefaultTarget = isDefaultTarget
        self.serve = serve
        // The handler needs `self`, which is not complete before the port is known: it is handed over afterwards, and
        // no client knows the port before this returns.
        let reference = OwnerReference()
        let server = try ServerThread(name: name, address: address, port: port) { request, responder in
            reference.owner.withLock { $0.value }?.receive(request, responder)
        }
        self.port = server.port
        self.state = Mutex(State(server: server))
        reference.owner.withLock { $0.value = self }
    }

    private struct WeakOwner {
        weak var value: FaultyServer?
    }

    private final class OwnerReference: Sendable {
        let owner = Mutex(WeakOwner())
    }

    deinit {
        state.withLock { $0.server }?.stop()
    }

    package var url: String { "http://\(address):\(port)" }
    package var isListening: Bool { state.withLock { $0.server != nil } }

    /// Cuts all connections; new ones are refused until ``startListening()``.
    package func stopListening() {
        let server = state.withLock { state in
            defer { state.server = nil }
            return state.server
        }
        server?.stop()
    }

    package func startListening() throws {
        guard !isListening else { return }
        let server = try ServerThread(name: name, address: address, port: port) { [weak self] request, responder in
            self?.receive(request, responder)
        }
        state.withLock { $0.server = server }
    }

    package var requests: [RequestRecord] { state.withLock { $0.requests } }
    package var requestCount: Int { state.withLock { $0.total } }

    private func receive(_ request: HTTPServerRequest, _ responder: HTTPResponder) {
        let parsed = ServiceRequest(
            method: request.method, path: request.path, query: Self.query(request.query),
            contentType: request.header("Content-Type"), contentEncoding: request.header("Content-Encoding"),
            authorization: request.header("Authorization"), body: request.withBody { Array($0) })
        if parsed.path == "/_simulator/faults" {
            respond(responder, answerPlan(parsed))
            return
        }
        let fault =
            faults.isEmpty
            ? nil
            : faults.requestFault(
                method: parsed.method, path: parsed.path, isDefaultTarget: isDefaultTarget(parsed))
        let record = RequestRecord(
            method: parsed.method, path: parsed.path, bodyBytes: parsed.body.count,
            isGzip: parsed.contentEncoding?.lowercased() == "gzip", isAuthorized: parsed.authorization != nil,
            status: nil, stored: 0, isFaulted: fault != nil, receivedAt: .now)
        perform(fault, parsed, responder, record)
    }

    /// Before the answer leaves: who has it must find its request in the record.
    private func keep(_ record: RequestRecord, status: Int? = nil, stored: Int = 0) {
        var record = record
        record.status = status
        record.stored = stored
        let finished = record
        state.withLock { state in
            state.total += 1
            if state.requests.count >= Self.keptRequests { state.requests.removeFirst(Self.keptRequests / 10) }
            state.requests.append(finished)
        }
    }

    private func perform(
        _ fault: FaultKind?, _ request: ServiceRequest, _ responder: HTTPResponder, _ record: RequestRecord
    ) {
        switch fault {
        case .status(let status, let headers, let body, let contentType):
            keep(record, status: status)
            respond(
                responder,
                ServiceAnswer(status, contentType: contentType, headers: headers, body: Array(body.utf8)))
            return
        case .hang:
            keep(record)
            return
        case .closeWithoutAnswer:
            keep(record)
            responder.abort(reset: false)
            return
        case .stall(let time): pause(time)
        default: break
        }
        var ignored = 0
        if case .fewerItems(let items) = fault { ignored = items }
        let outcome = serve(request, ignored)
        guard let answer = outcome.answer else {
            keep(record, stored: outcome.stored)
            responder.abort(reset: false)
            return
        }
        switch fault {
        case .lostAnswer:
            keep(record, stored: outcome.stored)
            responder.abort(reset: true)
        case .halfAnswerThenHang, .halfAnswerThenClose:
            keep(record, stored: outcome.stored)
            responder.respondRaw(Self.firstHalf(of: answer), thenClose: fault == .halfAnswerThenClose)
        case .delay(let time):
            keep(record, status: answer.status, stored: outcome.stored)
            let later = LoopConfined(responder)
            let server = state.withLock { $0.server }
            DispatchQueue.global().asyncAfter(deadline: .now() + time.seconds) {
                server?.perform {
                    if later.value.isOpen { Self.send(answer, to: later.value) }
                }
            }
        default:
            keep(record, status: answer.status, stored: outcome.stored)
            respond(responder, answer)
        }
    }

    private func respond(_ responder: HTTPResponder, _ answer: ServiceAnswer) { Self.send(answer, to: responder) }

    private static func send(_ answer: ServiceAnswer, to responder: HTTPResponder) {
        responder.respond(status: answer.status, headers: headers(of: answer), body: answer.body)
    }

    private static func headers(of answer: ServiceAnswer) -> [HTTPHeader] {
        var headers = answer.headers.sorted { $0.key < $1.key }.map { HTTPHeader(name: $0.key, value: $0.value) }
        if let type = answer.contentType { headers.append(HTTPHeader(name: "Content-Type", value: type)) }
        return headers
    }

    private static func firstHalf(of answer: ServiceAnswer) -> [UInt8] {
        var text = "HTTP/1.1 \(answer.status) Simulated\r\n"
        for header in headers(of: answer) { text += "\(header.name): \(header.value)\r\n" }
        text += "Content-Length: \(answer.body.count)\r\n\r\n"
        return Array(text.utf8) + answer.body.prefix(answer.body.count / 2)
    }

    private func answerPlan(_ request: ServiceRequest) -> ServiceAnswer {
        switch request.method {
        case "PUT", "POST":
            guard let elements = (try? StrictJSON.parse(request.body))?.elements else {
                return ServiceAnswer(400, text: "an array of faults is wanted\n")
            }
            let planned = elements.map { Fault(json: $0) }
            guard planned.allSatisfy({ $0 != nil }) else { return ServiceAnswer(400, text: "unknown fault\n") }
            faults.set(planned.compactMap { $0 })
        case "DELETE": faults.clear()
        default: break
        }
        return ServiceAnswer(200, json: .array(faults.faults.map(\.json)))
    }

    package static func query(_ text: String) -> [String: String] {
        var result: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = percentDecoded(parts.first.map(String.init) ?? "")
            result[name] = parts.count > 1 ? percentDecoded(String(parts[1])) : ""
        }
        return result
    }

    /// A `%` that no two hexadecimal digits follow stays as it is.
    package static func percentDecoded(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        var decoded: [UInt8] = []
        let bytes = Array(text.utf8)
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
                let value = UInt8(String(decoding: bytes[(index + 1)...(index + 2)], as: UTF8.self), radix: 16)
            {
                decoded.append(value)
                index += 3
            } else {
                decoded.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }
}
