import Glibc
import HTTPTransport
import LambdaAPI
import Synchronization
import Testing

@Suite struct TelemetryListenerTests {
    /// Runs a listener on a thread of its own as long as `body` does.
    private func withListener(
        preferredPort: UInt16 = 0, answers: [IngestAnswer] = [],
        _ body: (UInt16, Log) throws -> Void
    ) throws {
        let log = Log(answers)
        let ports = Mutex<(port: UInt16, handle: HTTPServerHandle)?>(nil)
        let thread = try TestThread {
            guard
                let listener = try? TelemetryListener(
                    ingest: { log.take($0) }, acknowledged: { log.note("acknowledged \($0)") }),
                let port = try? listener.bind(preferredPort: preferredPort)
            else { return }
            ports.withLock { $0 = (port, listener.handle) }
            listener.run()
        }
        while ports.withLock({ $0 }) == nil, thread.isRunning { sched_yield() }
        let (port, handle) = try #require(ports.withLock { $0 })
        defer {
            handle.stop()
            thread.join()
        }
        try body(port, log)
    }

    private func post(_ port: UInt16, _ body: String, method: String = "POST", path: String = "/") throws -> Int {
        try HTTPClient().perform(
            HTTPRequest(
                method: method, url: "http://127.0.0.1:\(port)\(path)", body: Array(body.utf8), proxy: .never)
        ).status
    }

    @Test func `a batch is answered after it was taken, on any path`() throws {
        try withListener { (port, log) throws in
            #expect(try post(port, "[1]") == 200)
            #expect(try post(port, "[2]", path: "/some/where?x=y") == 200)
            let expected = ["[1]", "acknowledged true", "[2]", "acknowledged true"]
            #expect(eventually { log.lines.withLock { $0 } == expected })
        }
    }

    @Test func `only a 200 is reported as acknowledged`() throws {
        try withListener(answers: [.unavailable, .failed, .accepted]) { (port, log) throws in
            #expect(try post(port, "a") == 503)
            #expect(try post(port, "b") == 500)
            #expect(try post(port, "c") == 200)
            #expect(eventually { log.lines.withLock { $0 } == ["a", "b", "c", "acknowledged true"] })
        }
    }

    @Test(arguments: ["PUT", "GET", "DELETE", "BREW"])
    func `a method other than POST never reaches ingest`(method: String) throws {
        try withListener { (port, log) throws in
            #expect(try post(port, "x", method: method) == 405)
            #expect(eventually { log.lines.withLock { $0 } == [] })
        }
    }

    @Test func `a port that is taken is followed by the next free one`() throws {
        let other = try HTTPServer(limits: HTTPServerLimits()) { _, _ in }
        let taken = try other.bind(address: "0.0.0.0", port: 0)
        try withListener(preferredPort: taken) { (port, _) throws in
            #expect(port != taken)
            #expect(try post(port, "x") == 200)
        }
    }
}

/// What a listener was given; the ingest closure is called on its thread.
private final class Log: Sendable {
    let lines = Mutex<[String]>([])
    private let answers: Mutex<[IngestAnswer]>

    init(_ answers: [IngestAnswer]) {
        self.answers = Mutex(answers)
    }

    func take(_ body: UnsafeRawBufferPointer) -> IngestAnswer {
        note(String(decoding: body, as: UTF8.self))
        return answers.withLock { $0.isEmpty ? .accepted : $0.removeFirst() }
    }

    func note(_ line: String) {
        lines.withLock { $0.append(line) }
    }
}
