import HTTPTransport
import Testing

@Suite struct ExchangeTests {
    /// Answers with the method, the target, and the body it got.
    static func echo() throws -> HTTPServerThread {
        try HTTPServerThread(name: "echo") { request, responder in
            let text = "\(request.method) \(request.target) "
            let body = Array(text.utf8) + request.withBody { Array($0) }
            responder.respond(status: 200, headers: [HTTPHeader("X-Port", "\(request.remotePort)")], body: body)
        }
    }

    @Test(arguments: ["GET", "PUT", "POST", "DELETE", "PATCH"])
    func `method, target and body reach the server as they were given`(method: String) throws {
        let server = try Self.echo()
        defer { server.stop() }
        let body: [UInt8]? = method == "GET" ? nil : Array("äöü".utf8)
        let response = try HTTPClient().perform(
            HTTPRequest(method: method, url: "http://127.0.0.1:\(server.port)/a/../b?x=%20", body: body, proxy: .never))
        #expect(response.status == 200)
        #expect(String(decoding: response.body, as: UTF8.self) == "\(method) /a/../b?x=%20 \(body == nil ? "" : "äöü")")
    }

    @Test func `one client keeps its connection from request to request`() throws {
        let server = try Self.echo()
        defer { server.stop() }
        let client = try HTTPClient()
        let ports = try (0..<3).map { _ in
            try client.perform(HTTPRequest(url: "http://127.0.0.1:\(server.port)/", proxy: .never)).header("x-port")
        }
        #expect(Set(ports).count == 1)
    }
}
