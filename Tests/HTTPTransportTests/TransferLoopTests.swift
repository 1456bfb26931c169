import Glibc
import HTTPTransport
import Synchronization
import Testing

@Suite struct TransferLoopTests {
    /// Turns the loop until nothing runs; fails after ten seconds.
    static func finish(_ loop: TransferLoop) -> [TransferCompletion] {
        var completions: [TransferCompletion] = []
        let end = ContinuousClock.now + .seconds(10)
        while loop.active > 0, ContinuousClock.now < end { completions += loop.poll(timeout: .milliseconds(100)) }
        #expect(loop.active == 0)
        return completions
    }

    static func request(_ server: HTTPServerThread, _ path: String = "/", body: [UInt8]? = nil) -> HTTPRequest {
        HTTPRequest(
            method: body == nil ? "GET" : "POST", url: "http://127.0.0.1:\(server.port)\(path)", body: body,
            proxy: .never)
    }

    static func echo() throws -> HTTPServerThread {
        try HTTPServerThread(name: "echo") { request, responder in
            responder.respond(status: 200, body: request.withBody { Array($0) })
        }
    }

    @Test func `every transfer completes exactly once, with its own answer`() throws {
        let server = try Self.echo()
        defer { server.stop() }
        let loop = try TransferLoop()
        var expected: [TransferID: [UInt8]] = [:]
        for number in 0..<40 {
            let body = [UInt8](repeating: UInt8(number), count: number * 10_000)
            expected[try loop.start(Self.request(server, body: body))] = body
        }
        #expect(loop.active == 40)
        let completions = Self.finish(loop)
        #expect(completions.count == 40)
        for completion in completions {
            let body = try completion.result.get().body
            #expect(body == expected.removeValue(forKey: completion.id))
            #expect(completion.bytesSent > UInt64(body.count))
            #expect(completion.bytesReceived > UInt64(body.count))
        }
        #expect(expected.isEmpty)
    }

    @Test func `a cancelled transfer completes no more and disturbs no other`() throws {
        let held = Held()
        let server = try HTTPServerThread(name: "some") { request, responder in
            if request.path == "/hang" { held.keep(responder, watching: true) } else { responder.respond(status: 200) }
        }
        defer { server.stop() }
        let loop = try TransferLoop()
        let hanging = try loop.start(Self.request(server, "/hang"))
        let never = try loop.start(Self.request(server, "/hang"))
        loop.cancel(never)
        let other = try loop.start(Self.request(server))
        var completions: [TransferCompletion] = []
        while completions.isEmpty { completions += loop.poll(timeout: .seconds(10)) }
        #expect(completions.map(\.id) == [other])
        held.wait(for: 1)
        loop.cancel(hanging)
        loop.cancel(hanging)
        #expect(loop.active == 0)
        #expect(loop.poll(timeout: .zero).isEmpty)
        #expect(eventually { held.closed.load(ordering: .sequentiallyConsistent) == 1 })
    }

    @Test func `a body is streamed as it comes and may be cut off, restarted and cancelled from within`() throws {
        let server = try HTTPServerThread(name: "long") { _, responder in
            responder.respond(status: 200, body: [UInt8](repeating: 0x61, count: 3_000_000))
        }
        defer { server.stop() }
        let loop = try TransferLoop()
        var received = 0
        var pieces = 0
        let whole = try loop.start(Self.request(server)) {
            received += $0.count
            pieces += 1
            return true
        }
        let completion = try #require(Self.finish(loop).first)
        #expect(completion.id == whole)
        #expect(try completion.result.get().body == [])
        #expect(received == 3_000_000)
        #expect(pieces > 1)

        let cut = try loop.start(Self.request(server)) { _ in false }
        let outcome = Self.finish(loop)
        #expect(outcome.map(\.id) == [cut])
        #expect(throws: HTTPError.cancelled) { try outcome.first?.result.get() }

        var id: TransferID?
        var follower: TransferID?
        id = try loop.start(Self.request(server)) { _ in
            if let id { loop.cancel(id) }
            follower = try? loop.start(Self.request(server))
            return true
        }
        #expect(Self.finish(loop).map(\.id) == [follower])
    }

    @Test func `a wake from another thread ends the wait, also one that came before it`() throws {
        let loop = try TransferLoop()
        let waker = loop.waker
        let start = ContinuousClock.now
        waker.wake()
        #expect(loop.poll(timeout: .seconds(30)).isEmpty)
        let server = try HTTPServer(limits: HTTPServerLimits()) { _, _ in }
        let thread = try HTTPServerThread(name: "waker") { _, _ in }
        thread.handle.perform { waker.wake() }
        #expect(loop.poll(timeout: .seconds(30)).isEmpty)
        #expect(ContinuousClock.now - start < .seconds(20))
        thread.stop()
        server.handle.stop()
    }

    @Test func `a waker outlives its loop`() throws {
        let waker = try TransferLoop().waker
        waker.wake()
    }

    @Test func `progress shows the body sent before the answer has begun`() throws {
        let held = Held()
        let server = try HTTPServerThread(name: "poll") { _, responder in held.keep(responder) }
        defer { server.stop() }
        let loop = try TransferLoop()
        let id = try loop.start(Self.request(server, body: [UInt8](repeating: 0, count: 1_000_000)))
        #expect(loop.bytesMoved(id) == 0)
        #expect(!loop.isBodySent(id))
        let isSent = eventually { loop.poll(timeout: .milliseconds(10)).isEmpty && loop.isBodySent(id) }
        #expect(isSent)
        #expect(loop.bytesMoved(id) > 1_000_000)
        #expect(!loop.responseBegun(id))
        #expect(loop.bytesReceived(id) == 0)
        held.wait(for: 1)
        let before = loop.bytesMoved(id)
        #expect(loop.poll(timeout: .milliseconds(20)).isEmpty)
        #expect(loop.bytesMoved(id) == before)
        server.handle.perform { held.answerAll() }
        #expect(Self.finish(loop).count == 1)
        #expect(loop.bytesMoved(id) == 0)
    }

    @Test func `a head without its body shows as begun`() throws {
        let server = try HTTPServerThread(name: "half") { _, responder in
            responder.respondRaw(Array("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".utf8), thenClose: false)
        }
        defer { server.stop() }
        let loop = try TransferLoop()
        let id = try loop.start(Self.request(server))
        let hasBegun = eventually { loop.poll(timeout: .milliseconds(10)).isEmpty && loop.responseBegun(id) }
        #expect(hasBegun)
        #expect(loop.status(id) == 200)
        #expect(loop.active == 1)
        loop.cancel(id)
    }

    // MARK: Freeze

    @Test func `connections unused for 30 s of wall clock are not used again`() throws {
        let server = try HTTPServerThread(name: "port") { request, responder in
            responder.respond(status: 200, body: Array("\(request.remotePort)".utf8))
        }
        defer { server.stop() }
        var now = Duration.zero
        let loop = try TransferLoop(wallClock: { now })
        func port() throws -> String {
            _ = try loop.start(Self.request(server))
            return String(decoding: try Self.finish(loop).first?.result.get().body ?? [], as: UTF8.self)
        }
        let first = try port()
        now = .seconds(29)
        loop.dropIdleConnections(unusedFor: .seconds(30))
        #expect(try port() == first)
        now = .seconds(59)
        loop.dropIdleConnections(unusedFor: .seconds(30))
        let second = try port()
        #expect(second != first)
        // While another transfer runs the pool stays; a new connection is made nevertheless.
        now = .seconds(100)
        let held = Held()
        let hanging = try HTTPServerThread(name: "poll") { _, responder in held.keep(responder) }
        defer { hanging.stop() }
        let running = try loop.start(Self.request(hanging))
        loop.dropIdleConnections(unusedFor: .seconds(30))
        let id = try loop.start(Self.request(server))
        var completion: TransferCompletion?
        while completion == nil { completion = loop.poll(timeout: .seconds(10)).first }
        #expect(completion?.id == id)
        let third = String(decoding: try completion?.result.get().body ?? [], as: UTF8.self)
        #expect(third != second)
        loop.cancel(running)
    }

    @Test func `a waker still works after the pool was renewed`() throws {
        let server = try Self.echo()
        defer { server.stop() }
        var now = Duration.zero
        let loop = try TransferLoop(wallClock: { now })
        _ = try loop.start(Self.request(server))
        _ = Self.finish(loop)
        now = .seconds(60)
        loop.dropIdleConnections(unusedFor: .seconds(30))
        let start = ContinuousClock.now
        loop.waker.wake()
        _ = loop.poll(timeout: .seconds(30))
        #expect(ContinuousClock.now - start < .seconds(20))
    }
}
