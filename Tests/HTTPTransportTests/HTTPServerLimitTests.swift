import Glibc
import HTTPTransport
import Synchronization
import Testing

/// The limits of the listener, each provoked by a client that breaks it.
@Suite struct HTTPServerLimitTests {
    static func server(_ limits: HTTPServerLimits) throws -> HTTPServerThread {
        try HTTPServerThread(name: "limits", limits: limits) { request, responder in
            responder.respond(status: 200, body: Array("\(request.bodyCount)".utf8))
        }
    }

    static func post(_ length: Int) -> String { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \(length)\r\n\r\n" }

    // MARK: 413

    @Test func `a body of exactly the limit is taken`() throws {
        let server = try Self.server(HTTPServerLimits())
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        #expect(client.send(Self.post(8 << 20)))
        #expect(client.send([UInt8](repeating: 0x20, count: 8 << 20)))
        #expect(client.readAnswer().hasSuffix("\r\n\r\n8388608"))
    }

    @Test func `a client still sending a body announced over the limit can read the 413`() throws {
        let server = try Self.server(HTTPServerLimits())
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send(Self.post((8 << 20) + 1))
        for _ in 0..<32 { client.send([UInt8](repeating: 0x20, count: 1 << 20)) }
        client.endSending()
        let (text, ending) = client.readToEnd()
        #expect(text.statusCode == 413)
        #expect(text.contains("Connection: close\r\n"))
        #expect(ending == .end)
    }

    @Test func `an announced length over the limit is answered before a byte of the body comes`() throws {
        let server = try Self.server(HTTPServerLimits(bodyBytes: 10))
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send("POST / HTTP/1.1\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
        #expect(client.readToEnd().text.statusCode == 413)
    }

    @Test func `a client still sending chunks over the limit can read the 413`() throws {
        let server = try Self.server(HTTPServerLimits(bodyBytes: 100_000))
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 0x20, count: 0x10000) + Array("\r\n".utf8)
        for _ in 0..<64 { client.send(chunk) }
        client.endSending()
        let (text, ending) = client.readToEnd()
        #expect(text.statusCode == 413)
        #expect(ending == .end)
    }

    // MARK: Unfinished bodies

    @Test func `200 half bodies hold at most 8 MiB and stop nobody else`() throws {
        let server = try Self.server(HTTPServerLimits())
        defer { server.stop() }
        let half = [UInt8](repeating: 0x20, count: 50 << 10)
        let clients = try (0..<200).map { _ in try RawClient(port: server.port) }
        for client in clients {
            client.send(Self.post(100 << 10))
            client.send(half)
        }
        // 163 halves of 50 KiB fit into 8 MiB.
        var refused = clients.filter { $0.isReadable(within: 0) }.count
        var rounds = 0
        while refused < 37, rounds < 100 {
            _ = clients.last?.isReadable(within: 50)
            refused = clients.filter { $0.isReadable(within: 0) }.count
            rounds += 1
        }
        #expect(refused == 37)
        #expect(clients.filter { $0.isReadable(within: 0) }.allSatisfy { $0.readToEnd().text.statusCode == 503 })
        let other = try RawClient(port: server.port)
        other.send(Self.post(3) + "abc")
        #expect(other.readAnswer().hasSuffix("\r\n\r\n3"))
    }

    @Test func `bodies broken off by a reset leave nothing in the sum`() throws {
        let server = try Self.server(HTTPServerLimits(unfinishedBytes: 1 << 20))
        defer { server.stop() }
        for _ in 0..<50 {
            let client = try RawClient(port: server.port)
            client.send(Self.post(1 << 20))
            client.send([UInt8](repeating: 0x20, count: 500_000))
            client.disconnect(reset: true)
        }
        let client = try RawClient(port: server.port)
        client.send(Self.post(1 << 20))
        client.send([UInt8](repeating: 0x20, count: 1 << 20))
        #expect(client.readAnswer().statusCode == 200)
    }

    // MARK: Time

    @Test func `a request that gets a byte now and then is cut off at its deadline`() throws {
        let server = try Self.server(HTTPServerLimits(requestDeadline: .milliseconds(300)))
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send("POST / HTTP/1.1\r\nX: ")
        var bytes = 0
        while bytes < 200, !client.isReadable(within: 50) {
            client.send("a")
            bytes += 1
        }
        #expect(bytes < 200)
        #expect(client.readToEnd().text == "")
    }

    @Test func `nothing limits the time between requests`() throws {
        let server = try Self.server(HTTPServerLimits(requestDeadline: .milliseconds(50)))
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        for _ in 0..<2 {
            #expect(!client.isReadable(within: 200))
            client.send(Self.post(1) + "a")
            #expect(client.readAnswer().statusCode == 200)
        }
    }

    // MARK: Connections

    @Test func `one connection too many closes the oldest that never sent a request`() throws {
        let server = try Self.server(HTTPServerLimits(connections: 4))
        defer { server.stop() }
        let first = try RawClient(port: server.port)
        first.send(Self.post(0))
        #expect(first.readAnswer().statusCode == 200)
        let idle = try (0..<3).map { _ in try RawClient(port: server.port) }
        let another = try RawClient(port: server.port)
        another.send(Self.post(0))
        #expect(another.readAnswer().statusCode == 200)
        #expect(idle[0].readToEnd().ending == .end)
        #expect(!idle[1].isReadable(within: 0))
        first.send(Self.post(0))
        #expect(first.readAnswer().statusCode == 200)
    }

    @Test func `a request under way is not closed for a newcomer`() throws {
        let held = Held()
        let server = try HTTPServerThread(name: "limits", limits: HTTPServerLimits(connections: 1)) { _, responder in
            held.keep(responder)
        }
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send(Self.post(0))
        held.wait(for: 1)
        let newcomer = try RawClient(port: server.port)
        #expect(newcomer.readToEnd().text == "")
        server.handle.perform { held.answerAll() }
        #expect(client.readAnswer().statusCode == 200)
    }

    @Test func `without descriptors the server waits instead of spinning, and then goes on`() async throws {
        await #expect(processExitsWith: .success) {
            let server = try HTTPServerLimitTests.server(HTTPServerLimits())
            // Several, because whatever else opens a file in this process takes descriptors that become free.
            let served = try (0..<8).map { _ in try RawClient(port: server.port) }
            for client in served {
                client.send(HTTPServerLimitTests.post(0))
                guard client.readAnswer().statusCode == 200 else { exit(4) }
            }
            // The client's own socket takes the last descriptor; the server finds none for its side.
            let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var limit = rlimit(rlim_cur: UInt(client) + 1, rlim_max: UInt(client) + 1)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            close(client)
            let waiting = try RawClient(port: server.port)
            var before = rusage()
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &before)
            waiting.send(HTTPServerLimitTests.post(0))
            _ = waiting.isReadable(within: 300)
            var after = rusage()
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &after)
            let spent =
                (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1_000_000
                + (after.ru_utime.tv_usec - before.ru_utime.tv_usec)
                + (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1_000_000
                + (after.ru_stime.tv_usec - before.ru_stime.tv_usec)
            guard spent < 150_000 else { exit(2) }
            // What the newcomer gets is the descriptor of a connection that was closed for it.
            guard waiting.readAnswer().statusCode == 200 else { exit(3) }
            exit(0)
        }
    }

    // MARK: Methods and heads

    @Test(arguments: ["GET", "PUT", "HEAD", "OPTIONS", "BREW", "post"])
    func `a method other than POST is answered 405`(method: String) throws {
        let server = try Self.server(HTTPServerLimits(methods: ["POST"]))
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send("\(method) /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        let (text, ending) = client.readToEnd()
        #expect(
            text == "HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        #expect(ending == .end)
    }

    @Test func `a head without end is answered 431`() throws {
        let server = try Self.server(HTTPServerLimits(headerBytes: 1000))
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send("POST / HTTP/1.1\r\nX: " + String(repeating: "a", count: 100_000))
        #expect(client.readToEnd().text.statusCode == 431)
    }

    @Test(arguments: [
        [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x0A], Array("\0\0\0\n\n\n".utf8), Array("hello\n".utf8),
    ])
    func `what is not HTTP is refused and the connection ended`(bytes: [UInt8]) throws {
        let server = try Self.server(HTTPServerLimits())
        defer { server.stop() }
        let client = try RawClient(port: server.port)
        client.send(bytes)
        client.endSending()
        let (text, ending) = client.readToEnd()
        #expect(text.statusCode == 400)
        #expect(ending == .end)
    }
}
