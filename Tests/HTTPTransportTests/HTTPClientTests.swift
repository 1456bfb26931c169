import Glibc
import HTTPTransport
import Synchronization
import Testing

@Suite struct HTTPClientTests {
    /// Answers every request with these bytes, then closes.
    static func raw(_ text: String) throws -> HTTPServerThread {
        try HTTPServerThread(name: "raw") { _, responder in responder.respondRaw(Array(text.utf8), thenClose: true) }
    }

    static func failure(_ server: HTTPServerThread, limit: Int = 1 << 20) -> HTTPError? {
        do {
            _ = try HTTPClient().perform(
                HTTPRequest(url: "http://127.0.0.1:\(server.port)/", proxy: .never, responseLimit: limit))
            return nil
        } catch {
            return error
        }
    }

    @Test func `every way an exchange can fail has its own name`() throws {
        let cases: [(String, HTTPError)] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", .interrupted),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", .interrupted),
            ("SSH-2.0-OpenSSH_9.2\r\n", .malformedAnswer),
            ("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world", .responseTooLarge),
        ]
        for (answer, error) in cases {
            let server = try Self.raw(answer)
            #expect(Self.failure(server, limit: 10) == error)
            server.stop()
            // Nobody listens on that port any more.
            #expect(Self.failure(server) == .connect)
        }
        for reset in [false, true] {
            let server = try HTTPServerThread(name: "abort") { _, responder in responder.abort(reset: reset) }
            #expect(Self.failure(server) == (reset ? .interrupted : .closedWithoutAnswer))
            server.stop()
        }
    }

    @Test func `a host that has no address is not resolved`() throws {
        #expect(throws: HTTPError.resolve) {
            try HTTPClient().perform(HTTPRequest(url: "http://a..b.invalid/", connectTimeout: .seconds(5)))
        }
    }

    @Test(arguments: ["ftp://127.0.0.1/", "file:///etc/passwd", "http://", "", "http://a b/"])
    func `only http and https URLs are sent`(url: String) throws {
        #expect(throws: HTTPError.invalid("URL")) { try HTTPClient().perform(HTTPRequest(url: url)) }
    }

    @Test func `a header cannot smuggle another`() throws {
        #expect(throws: HTTPError.invalid("header field")) {
            try HTTPClient().perform(
                HTTPRequest(url: "http://127.0.0.1:1/", headers: [HTTPHeader("X", "a\r\nY: b")]))
        }
    }

    @Test func `the total time bounds an answer that does not come`() throws {
        let held = Held()
        let server = try HTTPServerThread(name: "poll") { _, responder in held.keep(responder) }
        defer { server.stop() }
        #expect(throws: HTTPError.timeout) {
            try HTTPClient().perform(
                HTTPRequest(
                    url: "http://127.0.0.1:\(server.port)/", proxy: .never, totalTimeout: .milliseconds(50)))
        }
    }

    @Test func `a request is exactly these bytes`() throws {
        let seen = Mutex<String>("")
        let server = try HTTPServerThread(name: "seen") { request, responder in
            let fields = request.headers.map { "\($0.name): \($0.value)\n" }.joined()
            seen.withLock { $0 = "\(request.method) \(request.target)\n\(fields)" + request.withBody { "\($0.count)" } }
            responder.respond(status: 200)
        }
        defer { server.stop() }
        _ = try HTTPClient().perform(
            HTTPRequest(
                method: "PUT", url: "http://127.0.0.1:\(server.port)/_bulk",
                headers: [HTTPHeader("X-Empty", ""), HTTPHeader("Content-Type", "application/json")],
                body: [UInt8](repeating: 0x61, count: 2_000_000),
                authentication: .basic(user: "a:b", password: "p:q"), proxy: .never))
        #expect(
            seen.withLock { $0 } == """
                PUT /_bulk
                Host: 127.0.0.1:\(server.port)
                Authorization: Basic YTpiOnA6cQ==
                Accept: */*
                X-Empty: 
                Content-Type: application/json
                Content-Length: 2000000
                2000000
                """)
    }

    /// The close may be seen before the request is sent, or only in place of the answer. Both are what a thaw leaves.
    @Test(arguments: [nil, [UInt8]("body".utf8)])
    func `a kept connection that died is replaced within the call`(body: [UInt8]?) throws {
        let aborts = Atomic<Int>(0)
        let server = try HTTPServerThread(name: "dying") { request, responder in
            if aborts.exchange(0, ordering: .relaxed) == 1 {
                responder.abort(reset: false)
            } else {
                responder.respond(status: 200, body: request.withBody { Array($0) })
            }
        }
        let client = try HTTPClient()
        let request = HTTPRequest(
            method: "POST", url: "http://127.0.0.1:\(server.port)/", body: body, proxy: .never)
        #expect(try client.perform(request).status == 200)
        aborts.store(1, ordering: .relaxed)
        #expect(try client.perform(request).body == body ?? [])
        let port = server.port
        server.stop()
        let successor = try HTTPServerThread(name: "next", port: port) { request, responder in
            responder.respond(status: 201)
        }
        defer { successor.stop() }
        #expect(try client.perform(request).status == 201)
    }

    @Test func `a redirect is an answer like any other`() throws {
        let server = try HTTPServerThread(name: "redirect") { _, responder in
            responder.respond(status: 302, headers: [HTTPHeader("Location", "http://127.0.0.1:1/")])
        }
        defer { server.stop() }
        let response = try HTTPClient().perform(
            HTTPRequest(url: "http://127.0.0.1:\(server.port)/", proxy: .never))
        #expect(response.status == 302)
    }

    @Test func `an interim answer is not the answer`() throws {
        let server = try Self.raw(
            "HTTP/1.1 103 Early Hints\r\nX: early\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\nX: late\r\n\r\nok"
        )
        defer { server.stop() }
        let response = try HTTPClient().perform(
            HTTPRequest(url: "http://127.0.0.1:\(server.port)/", proxy: .never))
        #expect(response.status == 201)
        #expect(response.headers.filter { $0.name == "X" } == [HTTPHeader("X", "late")])
        #expect(response.body == Array("ok".utf8))
    }

    @Test func `a proxy in the environment captures neither the control plane nor local hosts`() async throws {
        await #expect(processExitsWith: .success) {
            for name in ["http_proxy", "all_proxy", "ALL_PROXY"] { setenv(name, "http://127.0.0.1:1", 1) }
            setenv("HOME", "/nonexistent", 1)
            let server = try HTTPServerThread(name: "echo") { _, responder in responder.respond(status: 200) }
            let client = try HTTPClient()
            for proxy in [ProxyPolicy.never, .environment] {
                for host in ["127.0.0.1", "localhost"] {
                    let response = try client.perform(
                        HTTPRequest(url: "http://\(host):\(server.port)/", proxy: proxy))
                    guard response.status == 200 else { exit(2) }
                }
            }
            // TEST-NET-1: without the proxy, which refuses, this would time out.
            do {
                _ = try client.perform(HTTPRequest(url: "http://192.0.2.1/", connectTimeout: .seconds(2)))
                exit(3)
            } catch HTTPError.connect {
                exit(0)
            } catch {
                exit(4)
            }
        }
    }

    @Test func `no error's text carries what was sent`() {
        let request = HTTPRequest(
            url: "http://secret.localhost:1/secret", headers: [HTTPHeader("X", "secret")],
            authentication: .basic(user: "secret", password: "secret"))
        do {
            _ = try HTTPClient().perform(request)
            Issue.record("somebody listens on port 1")
        } catch {
            #expect(!"\(error)".contains("secret"))
        }
    }
}
