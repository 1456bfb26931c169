import HTTPTransport
import Synchronization

/// A Runtime API that answers from a list and remembers what it was asked.
final class FakeControlPlane: Sendable {
    struct Answer: Sendable {
        var status = 200
        var headers: [HTTPHeader] = []
        var body = ""
    }

    private final class Script: Sendable {
        let state: Mutex<(answers: [Answer], requests: [String])>

        init(_ answers: [Answer]) {
            state = Mutex((answers, []))
        }

        func answer(_ request: HTTPServerRequest) -> Answer {
            let fields = request.headers.filter { $0.name.hasPrefix("Lambda-") || $0.name == "Content-Type" }
            let text =
                "\(request.method) \(request.target)\n" + fields.map { "\($0.name): \($0.value)\n" }.joined()
                + request.withBody { String(decoding: $0, as: UTF8.self) }
            return state.withLock { state in
                state.requests.append(text)
                return state.answers.isEmpty ? Answer(status: 500) : state.answers.removeFirst()
            }
        }
    }

    private let script: Script
    private let server: HTTPServerThread

    init(_ answers: Answer...) throws {
        let script = Script(answers)
        self.script = script
        server = try HTTPServerThread(name: "control plane") { request, responder in
            let answer = script.answer(request)
            responder.respond(status: answer.status, headers: answer.headers, body: Array(answer.body.utf8))
        }
    }

    var address: String { "127.0.0.1:\(server.port)" }
    var requests: [String] { script.state.withLock { $0.requests } }

    func stop() { server.stop() }
}
