import Glibc
import HTTPTransport
import Synchronization
import Testing

@Suite struct HTTPServerTests {
    /// Answers with the target and the body.
    static func echo() throws -> HTTPServerThread {
        try HTTPServerThread(name: "echo") { request, responder in
            responder.respond(
                status: 200, body: Array("\(request.target)=".utf8) + request.withBody { Array($0) })
        }
    }

    @Test func `an answer is exactly these bytes`() throws {
        let server = try Self.echo()
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send("POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
        #expect(client.readAnswer() == "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n/a?b=c=hi")
    }

    @Test func `requests sent without waiting are answered one after the other`() throws {
        let server = try Self.echo()
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send(
            "POST /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nonePOST /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "2\r\ntw\r\n1\r\no\r\n0\r\n\r\n\r\nGET /3 HTTP/1.1\r\nConnection: close\r\n\r\n")
        let (text, ending) = client.readToEnd()
        #expect(
            text == "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n/1=one"
                + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n/2=two"
                + "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n/3=")
        #expect(ending == .end)
    }

    @Test func `a thousand requests sent at once are all answered`() throws {
        let server = try Self.echo()
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send(String(repeating: "GET / HTTP/1.1\r\n\r\n", count: 1000))
        client.endSending()
        #expect(client.readToEnd().text.split(separator: "HTTP/1.1 200 OK").count == 1000)
    }

    @Test func `HTTP 1.0 ends after its answer unless it asks to stay`() throws {
        let server = try Self.echo()
        defer { server.stop() }
        let once = try RawClient(port: server.port)
        once.send("GET /a HTTP/1.0\r\n\r\n")
        #expect(once.readToEnd() == ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n/a=", .end))
        let kept = try RawClient(port: server.port)
        for _ in 0..<2 {
            kept.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(kept.readAnswer().contains("Connection: keep-alive\r\n"))
        }
    }

    @Test func `a client that asks first is told to go on`() throws {
        let server = try Self.echo()
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send("POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        #expect(client.readAnswer() == "HTTP/1.1 100 Continue\r\n\r\n")
        client.send("ok")
        #expect(client.readAnswer().hasSuffix("\r\n\r\n/=ok"))
    }

    @Test func `HEAD is answered with the length and without the body`() throws {
        let server = try Self.echo()
        defer { server.stop() }
        let response = try HTTPClient().perform(
            HTTPRequest(method: "HEAD", url: "http://127.0.0.1:\(server.port)/abc", proxy: .never))
        #expect(response.header("content-length") == "5")
        #expect(response.body.isEmpty)
    }

    @Test func `a client that shuts its sending side still gets its answer`() throws {
        let server = try Self.echo()
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send("GET /a HTTP/1.1\r\n\r\n")
        client.endSending()
        #expect(client.readToEnd().text.hasSuffix("/a="))
    }

    @Test func `a request may be answered later, from another thread's work`() throws {
        let held = Held()
        let server = try HTTPServerThread(name: "poll") { _, responder in held.keep(responder, watching: true) }
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        for request in 1...2 {
            held.wait(for: request)
            #expect(!client.isReadable(within: 0))
            server.handle.perform { held.answerAll() }
            #expect(client.readAnswer().statusCode == 200)
        }
        #expect(held.closed.load(ordering: .sequentiallyConsistent) == 0)
    }

    @Test(arguments: [false, true])
    func `a client that goes away while it waits is noticed`(reset: Bool) throws {
        let held = Held()
        let server = try HTTPServerThread(name: "poll") { _, responder in held.keep(responder, watching: true) }
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send("GET / HTTP/1.1\r\n\r\n")
        held.wait(for: 1)
        client.disconnect(reset: reset)
        #expect(eventually { held.closed.load(ordering: .sequentiallyConsistent) == 1 })
    }

    // MARK: written

    @Test func `written is told once and only when the whole answer left`() throws {
        let outcomes = Mutex<[Bool]>([])
        let server = try HTTPServerThread(name: "written") { request, responder in
            let body = [UInt8](repeating: 0x61, count: request.target == "/large" ? 64 << 20 : 3)
            responder.respond(status: 200, body: body) { isWritten in outcomes.withLock { $0.append(isWritten) } }
        }
        let complete = try RawClient(port: server.port)
        complete.send("GET /small HTTP/1.1\r\n\r\n")
        #expect(complete.readAnswer().statusCode == 200)
        #expect(eventually { outcomes.withLock { $0 } == [true] })
        let slow = try RawClient(port: server.port)
        slow.send("GET /large HTTP/1.1\r\nConnection: close\r\n\r\n")
        #expect(slow.isReadable(within: 10_000))
        #expect(outcomes.withLock { $0 } == [true])
        #expect(slow.readToEnd().text.utf8.count > 64 << 20)
        #expect(eventually { outcomes.withLock { $0 } == [true, true] })
        let impatient = try RawClient(port: server.port)
        impatient.send("GET /large HTTP/1.1\r\n\r\n")
        #expect(impatient.isReadable(within: 10_000))
        impatient.disconnect(reset: true)
        #expect(eventually { outcomes.withLock { $0 } == [true, true, false] })
        server.stop()
        #expect(outcomes.withLock { $0 } == [true, true, false])
    }

    @Test func `a request that waits when the server ends is told so`() throws {
        let held = Held()
        let server = try HTTPServerThread(name: "poll") { _, responder in held.keep(responder, watching: true) }
        let client = try RawClient(port: server.port)
        client.send("GET / HTTP/1.1\r\n\r\n")
        held.wait(for: 1)
        server.stop()
        #expect(held.closed.load(ordering: .sequentiallyConsistent) == 1)
        #expect(client.readToEnd().text == "")
    }

    // MARK: Sockets and loop

    @Test func `a port that is taken is an error with its number`() throws {
        let server = try Self.echo()
        defer { server.stop() }
        let other = try HTTPServer(limits: HTTPServerLimits()) { _, _ in }
        #expect(throws: HTTPError.bind(EADDRINUSE)) { try other.bind(address: "127.0.0.1", port: server.port) }
        #expect(throws: HTTPError.invalid("address")) { try other.bind(address: "localhost", port: 0) }
    }

    @Test func `scheduled work runs once or again and again`() throws {
        let server = try HTTPServer(limits: HTTPServerLimits()) { _, _ in }
        let handle = server.handle
        var once = 0
        var ticks = 0
        server.schedule(after: .milliseconds(1)) { once += 1 }
        server.schedule(every: .milliseconds(2)) {
            ticks += 1
            if ticks == 5 { handle.stop() }
        }
        server.run()
        #expect(once == 1)
        #expect(ticks == 5)
    }

    @Test func `work handed over before the loop runs is done, in order`() throws {
        let server = try HTTPServer(limits: HTTPServerLimits()) { _, _ in }
        let seen = Mutex<[Int]>([])
        for number in 0..<100 { server.handle.perform { seen.withLock { $0.append(number) } } }
        server.handle.stop()
        server.run()
        #expect(seen.withLock { $0 } == Array(0..<100))
    }

    @Test func `a handle outlives its server`() throws {
        let handle = try HTTPServer(limits: HTTPServerLimits()) { _, _ in }.handle
        handle.perform { Issue.record("nobody is left to run this") }
        handle.stop()
    }
}
