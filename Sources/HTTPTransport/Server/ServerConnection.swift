import Glibc

/// One accepted connection: reads a request, waits for its answer, writes it, reads the next.
///
/// Belongs to the loop's thread. The server owns it until ``close()``; its events are freed there, before the
/// descriptor is closed.
final class ServerConnection {
    private enum Phase {
        case reading
        /// A request is with the handler, or its answer is being written.
        case answering(HTTPResponder)
        /// Our side is shut; what the peer still sends is read over, so that it can read our answer. Closing at once
        /// would reset the connection and take the answer away with it.
        case lingering
        case closed
    }

    private unowned let server: HTTPServer
    let serial: UInt64
    let remotePort: UInt16
    private let descriptor: Int32
    private var phase = Phase.reading
    private var parser: HTTPRequestParser
    private var buffer: ReceiveBuffer?
    private var output = OutputQueue()
    /// What this connection adds to the server's sum of unfinished bodies.
    private var unfinishedBytes = 0
    private var hasContinued = false
    private var keepsAlive = true
    private var endsAfterOutput = false
    private var isAnswerComplete = false
    private var isProcessing = false
    private var requests = 0
    private var readable: LoopEvent?
    private var writable: LoopEvent?
    private var timer: LoopEvent?

    /// What one turn of the loop reads from one connection at most.
    private static let bytesPerTurn = 1 << 20
    /// How long a peer is listened to after the last answer.
    private static let lingerTime = Duration.seconds(5)

    init?(server: HTTPServer, serial: UInt64, descriptor: Int32, remotePort: UInt16) {
        self.server = server
        self.serial = serial
        self.descriptor = descriptor
        self.remotePort = remotePort
        parser = HTTPRequestParser(limits: server.limits)
        let base = server.base
        readable = LoopEvent(base: base, descriptor: descriptor, on: .readable) { [unowned self] in becameReadable() }
        writable = LoopEvent(base: base, descriptor: descriptor, on: .writable) { [unowned self] in flush() }
        timer = LoopEvent(base: base, descriptor: -1, on: .timer) { [unowned self] in timeIsOver() }
        guard let readable, writable != nil, timer != nil else { return nil }
        readable.add()
    }

    /// Whether a complete request was ever received.
    var hasServed: Bool { requests > 0 }

    /// Whether it may be closed to make room.
    var isWithoutRequest: Bool {
        switch phase {
        case .reading, .lingering: true
        case .answering, .closed: false
        }
    }

    var isOpen: Bool {
        if case .closed = phase { false } else { true }
    }

    // MARK: Reading

    private func becameReadable() {
        switch phase {
        case .reading: readRequest()
        case .lingering: readOver()
        case .answering(let responder): readAhead(responder)
        case .closed: break
        }
    }

    private func readRequest() {
        var budget = Self.bytesPerTurn
        while budget > 0, case .reading = phase {
            guard let buffer = buffer ?? server.takeBuffer() else { return close() }
            self.buffer = buffer
            // Of a body whose length is known no byte too much is read: what follows belongs to the next request.
            let room =
                parser.missing.map { min($0, max(512 << 10, buffer.count)) }
                ?? (parser.isHeadComplete ? 64 << 10 : ReceiveBuffer.initialCapacity)
            guard buffer.reserve(room) else { return close() }
            switch buffer.fill(from: descriptor, limit: room) {
            case .bytes(let count):
                budget -= count
                process()
            case .nothingYet:
                if buffer.count == 0 { releaseBuffer() }
                return
            case .end, .failed:
                return close()
            }
        }
        if case .answering(let responder) = phase, responder.onClose == nil { readable?.remove() }
    }

    /// While an answer is outstanding: only to learn that the peer has gone. What it sends is kept for later, up to a
    /// bound; epoll tells an end apart from data only when the data has been taken.
    private func readAhead(_ responder: HTTPResponder) {
        guard responder.onClose != nil, let buffer = buffer ?? server.takeBuffer(),
            buffer.count < ReceiveBuffer.initialCapacity, buffer.reserve(1)
        else {
            readable?.remove()
            return
        }
        self.buffer = buffer
        switch buffer.fill(from: descriptor, limit: ReceiveBuffer.initialCapacity) {
        case .bytes, .nothingYet: break
        case .end, .failed: close()
        }
    }

    private func readOver() {
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { scratch in
            for _ in 0..<16 {
                let received = recv(descriptor, scratch.baseAddress, scratch.count, 0)
                if received > 0 { continue }
                if received < 0, errno == EAGAIN || errno == EINTR { return }
                return close()
            }
        }
    }

    /// Takes as many requests out of the buffer as are complete and answered at once.
    private func process() {
        guard !isProcessing else { return }
        isProcessing = true
        defer { isProcessing = false }
        while case .reading = phase, let buffer, buffer.count > 0 {
            if timer?.isAdded == false, let deadline = server.limits.requestDeadline { timer?.add(after: deadline) }
            let progress = parser.advance(buffer)
            switch progress {
            case .needsMore:
                account(parser.bodyReceived)
                if server.unfinishedBytes > server.limits.unfinishedBytes { return refuse(503) }
                if parser.isHeadComplete, parser.head.expectsContinue, parser.bodyReceived == 0, !hasContinued {
                    hasContinued = true
                    output.append(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
                    flush()
                }
                return
            case .refused(let status):
                return refuse(status)
            case .complete(let body):
                account(0)
                timer?.remove()
                requests += 1
                dispatch(body)
            }
        }
    }

    private func account(_ bytes: Int) {
        server.unfinishedBytes += bytes - unfinishedBytes
        unfinishedBytes = bytes
    }

    private func dispatch(_ body: Range<Int>) {
        guard let whole = buffer else { return }
        buffer = nil
        if whole.count > body.upperBound {
            // Pipelined: the next request begins behind this one.
            guard let rest = ReceiveBuffer(),
                rest.append(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(whole.bytes)[body.upperBound...]))
            else { return close() }
            whole.truncate(to: body.upperBound)
            buffer = rest
        }
        keepsAlive = parser.head.keepsAlive
        let request = HTTPServerRequest(buffer: whole, head: parser.head, body: body, remotePort: remotePort)
        let responder = HTTPResponder(
            connection: self, isHead: request.method == "HEAD", version: parser.head.minorVersion)
        phase = .answering(responder)
        parser = HTTPRequestParser(limits: server.limits)
        hasContinued = false
        server.handler(request, responder)
        server.recycle(whole)
    }

    private func releaseBuffer() {
        guard let empty = buffer else { return }
        buffer = nil
        server.recycle(empty)
    }

    // MARK: Answering

    /// The answer of the responder, whole.
    func answer(_ head: [UInt8], _ body: [UInt8], closes: Bool) {
        output.append(head, body)
        finishAnswer(closes: closes || !keepsAlive)
    }

    var willClose: Bool { !keepsAlive }

    /// Bytes of an answer that goes on, or is over and the connection with it.
    func answerRaw(_ bytes: [UInt8], thenClose: Bool) {
        output.append(bytes)
        if thenClose {
            finishAnswer(closes: true)
        } else {
            flush()
        }
    }

    func finishAnswer(closes: Bool) {
        isAnswerComplete = true
        endsAfterOutput = closes
        flush()
    }

    /// Answers a request that cannot be read to its end, and closes.
    private func refuse(_ status: Int) {
        account(0)
        buffer = nil
        phase = .lingering
        endsAfterOutput = true
        // A 405 says what is allowed (RFC 9110 §15.5.6).
        let methods = status == 405 ? server.limits.methods?.sorted().joined(separator: ", ") : nil
        let headers = methods.map { [HTTPHeader("Allow", $0)] } ?? []
        output.append(
            ResponseHead.encode(status: status, headers: headers, bodyCount: 0, closes: true, minorVersion: 1))
        timer?.add(after: Self.lingerTime)
        flush()
    }

    private func flush() {
        switch output.write(to: descriptor) {
        case .blocked:
            writable?.add()
            // A peer that does not read its answers must not keep its place for ever.
            if case .answering = phase, isAnswerComplete { timer?.add(after: Self.lingerTime) }
        case .failed: close()
        case .empty:
            writable?.remove()
            outputIsWritten()
        }
    }

    private func outputIsWritten() {
        switch phase {
        case .answering(let responder):
            guard isAnswerComplete else { return }
            isAnswerComplete = false
            timer?.remove()
            if endsAfterOutput {
                linger()
            } else {
                phase = .reading
                readable?.add()
            }
            responder.end(written: true)
            process()
        case .lingering:
            if endsAfterOutput { linger() }
        case .reading, .closed: break
        }
    }

    private func linger() {
        endsAfterOutput = false
        phase = .lingering
        buffer = nil
        shutdown(descriptor, Int32(SHUT_WR))
        readable?.add()
        timer?.add(after: Self.lingerTime)
    }

    // MARK: Ending

    private func timeIsOver() {
        if case .reading = phase {
            // After a freeze the deadline may have passed while the rest of the request lay in the socket.
            let before = requests
            readRequest()
            guard case .reading = phase, requests == before else { return }
        }
        close()
    }

    /// Begins to look for a peer that goes away while its answer is outstanding.
    func watchPeer() {
        if case .answering = phase { readable?.add() }
    }

    /// Ends the connection without an answer.
    func abort(reset: Bool) {
        if reset, isOpen {
            var option = Glibc.linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<Glibc.linger>.size))
        }
        close()
    }

    func close() {
        guard isOpen else { return }
        let last = phase
        phase = .closed
        account(0)
        buffer = nil
        output = OutputQueue()
        readable = nil
        writable = nil
        timer = nil
        Glibc.close(descriptor)
        server.forget(self)
        if case .answering(let responder) = last { responder.end(written: false) }
    }
}
