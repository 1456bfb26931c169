import Foundation
import LambdaSimulator

/// The Runtime API as a measurement needs it: one thread, fixed answers, a raw clock reading for every `next`.
///
/// The simulator's own server checks and keeps what it is told; that would be measured as well.
final class RuntimeStub: Sendable {
    struct State: Sendable {
        /// Raw clock when the head of each `next` had been read.
        var nextCalls: [UInt64] = []
        var isWaiting = false
        /// Port of the extension's listener, from its subscription.
        var port: UInt16?
        var events: [[UInt8]] = []
        /// Raw clock just before the last event was written.
        var lastEventAt: UInt64 = 0
        var isStopped = false
    }

    private let state: Monitor<State>
    private let waker: Int32
    /// `host:port`.
    let address: String

    init() throws {
        let listener = try Loopback.listen()
        var ends: [Int32] = [-1, -1]
        guard pipe2(&ends, O_CLOEXEC) == 0 else { throw SimulatorError.system(call: "pipe2", errno: errno) }
        let wakerOutput = ends[0]
        let state = Monitor(State())
        self.state = state
        waker = ends[1]
        address = "127.0.0.1:\(listener.port)"
        let thread = Thread {
            var loop = RuntimeStubLoop(listener: listener.descriptor, waker: wakerOutput, state: state)
            loop.run()
        }
        thread.name = "runtime-stub"
        thread.start()
    }

    deinit {
        state.withLock { $0.isStopped = true }
        wake()
        close(waker)
    }

    private func wake() {
        var one: UInt8 = 1
        _ = write(waker, &one, 1)
    }

    /// The raw clock at the `count`-th `next`.
    func waitForNext(_ count: Int = 1, timeout: Duration = .seconds(10)) throws -> UInt64 {
        guard
            let time = state.wait(
                timeout: timeout, { $0.nextCalls.count >= count ? $0.nextCalls[count - 1] : nil })
        else { throw SimulatorError.timedOut("`next` number \(count) was not called within \(timeout)") }
        return time
    }

    var port: UInt16? { state.withLock { $0.port } }
    var nextCount: Int { state.withLock { $0.nextCalls.count } }

    /// Hands out INVOKE and waits for the `next` after it. Milliseconds between the two.
    func invoke(_ number: Int, timeout: Duration = .seconds(10)) throws -> Double {
        let calls = nextCount
        let deadline = WallClock.nowMs() + 3000
        send(
            "{\"eventType\":\"INVOKE\",\"deadlineMs\":\(deadline),\"requestId\":\"\(Corpus.requestID(number))\","
                + "\"invokedFunctionArn\":\"arn:aws:lambda:eu-west-1:210987654321:function:checkout-worker:live\"}")
        let called = try waitForNext(calls + 1, timeout: timeout)
        let sent = state.withLock { $0.lastEventAt }
        return called > sent ? (called - sent).nanosecondsAsMilliseconds : 0
    }

    func shutDown() {
        send("{\"eventType\":\"SHUTDOWN\",\"shutdownReason\":\"spindown\",\"deadlineMs\":\(WallClock.nowMs() + 2000)}")
    }

    private func send(_ event: String) {
        state.withLock { $0.events.append(Array(event.utf8)) }
        wake()
    }
}

/// The stub's thread: `poll` over all connections.
private struct RuntimeStubLoop {
    let listener: Int32
    let waker: Int32
    let state: Monitor<RuntimeStub.State>
    private var buffers: [Int32: [UInt8]] = [:]
    private var waiting: Int32?

    init(listener: Int32, waker: Int32, state: Monitor<RuntimeStub.State>) {
        self.listener = listener
        self.waker = waker
        self.state = state
    }

    mutating func run() {
        while !state.withLock({ $0.isStopped }) {
            var entries = ([listener, waker] + buffers.keys).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&entries, nfds_t(entries.count), -1) >= 0 || errno == EINTR else { break }
            let now = Clock.monotonic()
            for entry in entries where entry.revents != 0 {
                switch entry.fd {
                case listener: accept()
                case waker: drainWaker()
                default: receive(entry.fd, at: now)
                }
            }
            deliver()
        }
        for descriptor in buffers.keys { close(descriptor) }
        close(listener)
        close(waker)
    }

    private mutating func accept() {
        guard let descriptor = Loopback.accept(listener) else { return }
        buffers[descriptor] = []
    }

    private func drainWaker() {
        var bytes = [UInt8](repeating: 0, count: 64)
        _ = read(waker, &bytes, bytes.count)
    }

    private mutating func receive(_ descriptor: Int32, at now: UInt64) {
        var piece = [UInt8](repeating: 0, count: 16 * 1024)
        let count = recv(descriptor, &piece, piece.count, 0)
        guard count > 0 else {
            close(descriptor)
            buffers[descriptor] = nil
            if waiting == descriptor { waiting = nil }
            return
        }
        var buffer = buffers[descriptor] ?? []
        buffer += piece[..<count]
        while let message = Self.message(in: buffer) {
            answer(descriptor, head: message.head, body: message.body, at: now)
            buffer.removeFirst(message.length)
        }
        buffers[descriptor] = buffer
    }

    private static func message(in buffer: [UInt8]) -> (head: String, body: String, length: Int)? {
        guard let end = buffer.withUnsafeBytes({ $0.offset(of: "\r\n\r\n") }) else { return nil }
        let head = String(decoding: buffer[..<end], as: UTF8.self)
        let start = end + 4
        var length = 0
        for line in head.split(separator: "\r\n") where line.lowercased().hasPrefix("content-length:") {
            length = line.split(separator: " ").last.flatMap { Int($0) } ?? 0
        }
        guard buffer.count >= start + length else { return nil }
        let body = String(decoding: buffer[start..<(start + length)], as: UTF8.self)
        return (head, body, start + length)
    }

    private mutating func answer(_ descriptor: Int32, head: String, body: String, at now: UInt64) {
        if head.hasPrefix("GET /2020-01-01/extension/event/next ") {
            waiting = descriptor
            state.withLock {
                $0.nextCalls.append(now)
                $0.isWaiting = true
            }
        } else if head.hasPrefix("POST /2020-01-01/extension/register ") {
            Self.respond(
                descriptor, headers: "Lambda-Extension-Identifier: 5b8d6a0e-71f4-4d0f-b1a5-0c9b7e3d2f10\r\n",
                "{\"functionName\":\"checkout-worker\",\"functionVersion\":\"17\",\"handler\":\"app.handler\","
                    + "\"accountId\":\"210987654321\"}")
        } else {
            if head.hasPrefix("PUT /2022-07-01/telemetry ") {
                let digits = body.components(separatedBy: "sandbox.localdomain:").last?.prefix { $0.isNumber }
                state.withLock { $0.port = digits.flatMap { UInt16($0) } }
            }
            Self.respond(descriptor, headers: "", "\"OK\"")
        }
    }

    private mutating func deliver() {
        guard let descriptor = waiting else { return }
        let event = state.withLock { state -> [UInt8]? in
            guard !state.events.isEmpty else { return nil }
            state.isWaiting = false
            state.lastEventAt = Clock.monotonic()
            return state.events.removeFirst()
        }
        guard let event else { return }
        waiting = nil
        Self.respond(descriptor, headers: "", String(decoding: event, as: UTF8.self))
    }

    private static func respond(_ descriptor: Int32, headers: String, _ body: String) {
        let text =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\(headers)"
            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        _ = Loopback.send(descriptor, Array(text.utf8))
    }
}
