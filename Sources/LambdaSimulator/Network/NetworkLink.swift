import Foundation

/// A client's connection and the one to the server behind it.
struct NetworkLink {
    private let client: NetworkSocket
    private let server: NetworkSocket
    private var request = NetworkFlow()
    private var answer = NetworkFlow()
    private var fault: NetworkFault?
    private var isInExchange = false
    private var swallows = false
    private var twin: (socket: NetworkSocket, flow: NetworkFlow)?
    private(set) var isOpen = true

    init(client: NetworkSocket, server: NetworkSocket) {
        self.client = client
        self.server = server
    }

    // MARK: Polling

    var interest: [pollfd] {
        func entry(_ socket: NetworkSocket, reads: Bool, writes: Bool) -> pollfd {
            pollfd(
                fd: socket.descriptor, events: Int16((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)), revents: 0)
        }
        let now = ContinuousClock.now
        func isDue(_ flow: NetworkFlow, _ direction: NetworkFault.Direction) -> Bool {
            guard let due = flow.due, due <= now else { return false }
            return limit(direction).map { flow.passed < $0 } ?? true
        }
        var entries = [
            entry(client, reads: request.takesMore, writes: isDue(answer, .answer)),
            entry(server, reads: answer.takesMore, writes: isDue(request, .request)),
        ]
        // Whatever the server does behind a black hole cannot be heard: `poll` passes over a negative descriptor.
        if swallows { entries[1].fd = -1 }
        if let twin { entries.append(entry(twin.socket, reads: true, writes: !twin.flow.isEmpty)) }
        return entries
    }

    /// When bytes are due that are not yet.
    var wakeAt: ContinuousClock.Instant? {
        [request.due, answer.due].compactMap { $0 }.filter { $0 > .now }.min()
    }

    // MARK: Moving

    /// Reads and writes what can be. `draw` is asked for a fault at the beginning of each exchange.
    mutating func move(
        _ ready: [pollfd], to port: UInt16, _ statistics: inout NetworkStatistics, draw: () -> NetworkFault?
    ) {
        let broken = Int16(POLLERR) | Int16(POLLNVAL)
        for entry in ready.prefix(2) where entry.revents & broken != 0 {
            reset()
            return
        }
        let readable = Int16(POLLIN) | Int16(POLLHUP)
        if request.takesMore, ready.first.map({ $0.revents & readable != 0 }) ?? false {
            readClient(port, &statistics, draw)
        }
        if isOpen, answer.takesMore, ready.dropFirst().first.map({ $0.revents & readable != 0 }) ?? false {
            readServer(&statistics)
        }
        if isOpen { writeTwin() }
        if isOpen { write(&statistics) }
    }

    private mutating func readClient(
        _ port: UInt16, _ statistics: inout NetworkStatistics, _ draw: () -> NetworkFault?
    ) {
        switch client.receive() {
        case .bytes(let bytes):
            if swallows { return }
            if !isInExchange { beginExchange(port, &statistics, draw()) }
            statistics.requestBytes += bytes.count
            request.append(bytes, due: .now + latency)
            if twin != nil { twin?.flow.append(bytes, due: .now) }
        case .nothingYet: break
        case .end:
            if swallows { reset() } else { request.isEnded = true }
        case .broken: reset()
        }
    }

    private mutating func beginExchange(
        _ port: UInt16, _ statistics: inout NetworkStatistics, _ drawn: NetworkFault?
    ) {
        isInExchange = true
        statistics.exchanges += 1
        request.beginExchange()
        answer.beginExchange()
        twin?.socket.close()
        twin = nil
        fault = drawn
        switch drawn {
        case .delay, .throttle: statistics.strikes += 1
        case .duplicate:
            guard let socket = NetworkSocket.connecting(to: port) else { break }
            statistics.strikes += 1
            twin = (socket, NetworkFlow())
        case .cut, .reset, .blackHole, nil: break
        }
    }

    private mutating func readServer(_ statistics: inout NetworkStatistics) {
        switch server.receive() {
        case .bytes(let bytes):
            isInExchange = false
            statistics.answerBytes += bytes.count
            answer.append(bytes, due: .now + latency)
        case .nothingYet: break
        case .end: answer.isEnded = true
        case .broken: reset()
        }
    }

    private mutating func writeTwin() {
        guard let socket = twin?.socket, var flow = twin?.flow else { return }
        let isWell = flow.pass(to: socket, now: .now, limit: nil, bytesPerSecond: nil)
        switch socket.receive() {
        case .bytes, .nothingYet: twin = (socket, flow)
        case .end, .broken:
            socket.close()
            twin = nil
        }
        if !isWell, twin != nil {
            socket.close()
            twin = nil
        }
    }

    private mutating func write(_ statistics: inout NetworkStatistics) {
        guard !swallows else { return }
        var rate: Int?
        if case .throttle(let bytesPerSecond) = fault { rate = bytesPerSecond }
        let now = ContinuousClock.now
        guard request.pass(to: server, now: now, limit: limit(.request), bytesPerSecond: rate),
            answer.pass(to: client, now: now, limit: limit(.answer), bytesPerSecond: rate)
        else {
            reset()
            return
        }
        strikeAtLimit(&statistics)
        guard isOpen, !swallows else { return }
        passOnEnds()
    }

    private mutating func strikeAtLimit(_ statistics: inout NetworkStatistics) {
        let isReached: (NetworkFault.Direction, Int, NetworkFlow, NetworkFlow) -> Bool = {
            direction, bytes, request, answer in
            // A limit of 0 in the answer's direction waits for its first byte.
            direction == .request
                ? request.passed >= bytes : answer.passed >= bytes && (bytes > 0 || !answer.isEmpty)
        }
        switch fault {
        case .cut(let direction, let bytes) where isReached(direction, bytes, request, answer):
            close()
        case .reset(let direction, let bytes) where isReached(direction, bytes, request, answer):
            reset()
        case .blackHole(let direction, let bytes) where isReached(direction, bytes, request, answer):
            swallows = true
            request.removeAll()
            answer.removeAll()
        default: return
        }
        fault = nil
        statistics.strikes += 1
    }

    private mutating func passOnEnds() {
        if request.isEnded, request.isEmpty, !request.isEndPassedOn {
            request.isEndPassedOn = true
            server.finishSending()
        }
        if answer.isEnded, answer.isEmpty, !answer.isEndPassedOn {
            answer.isEndPassedOn = true
            client.finishSending()
        }
        if request.isEndPassedOn, answer.isEndPassedOn { close() }
    }

    private var latency: Duration {
        if case .delay(let time) = fault { time } else { .zero }
    }

    /// Bytes of the exchange that may pass in a direction; nil: all.
    private func limit(_ direction: NetworkFault.Direction) -> Int? {
        switch fault {
        case .cut(direction, let bytes), .reset(direction, let bytes), .blackHole(direction, let bytes): bytes
        default: nil
        }
    }

    // MARK: Ends

    mutating func close() { end { $0.close() } }

    mutating func reset() { end { $0.reset() } }

    private mutating func end(_ how: (NetworkSocket) -> Void) {
        guard isOpen else { return }
        isOpen = false
        how(client)
        how(server)
        twin?.socket.close()
        twin = nil
    }
}
