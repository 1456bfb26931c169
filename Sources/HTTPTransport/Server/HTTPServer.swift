import CEvent
import Glibc

/// An HTTP/1.1 server: libevent's loop, one thread, any number of listening sockets.
///
/// Belongs to the thread that calls ``run()``; the handler, every callback and all scheduled work run there. Only
/// ``handle`` may be used from other threads. Making, binding and scheduling may happen on another thread before `run`.
package final class HTTPServer {
    package let handle: HTTPServerHandle
    let limits: HTTPServerLimits
    let handler: (HTTPServerRequest, HTTPResponder) -> Void
    let base: OpaquePointer
    private var listeners: [OpaquePointer] = []
    private var messages: LoopEvent?
    private var retryAccept: LoopEvent?
    private var scheduled: [UInt64: LoopEvent] = [:]
    private var lastSchedule: UInt64 = 0
    private var connections: [UInt64: ServerConnection] = [:]
    private var lastConnection: UInt64 = 0
    private var isStopped = false
    /// Bytes of bodies that are not complete, of all connections.
    var unfinishedBytes = 0
    /// A receive buffer for the next connection that has something to say: idle ones hold none.
    private var spareBuffer: ReceiveBuffer?

    package init(
        limits: HTTPServerLimits, handler: @escaping (HTTPServerRequest, HTTPResponder) -> Void
    ) throws(HTTPError) {
        guard HTTPTransport.isInitialized, let configuration = event_config_new() else {
            throw .internal("libevent failed to start")
        }
        defer { event_config_free(configuration) }
        // The function's environment does not choose our backend, and no second thread touches the base.
        event_config_set_flag(configuration, Int32(EVENT_BASE_FLAG_IGNORE_ENV.rawValue))
        event_config_set_flag(configuration, Int32(EVENT_BASE_FLAG_NOLOCK.rawValue))
        guard let base = event_base_new_with_config(configuration) else { throw .internal("libevent failed to start") }
        let descriptor = cevent_wake_descriptor()
        guard descriptor >= 0 else {
            event_base_free(base)
            throw .internal("no eventfd")
        }
        self.base = base
        self.limits = limits
        self.handler = handler
        handle = HTTPServerHandle(descriptor: descriptor)
        messages = LoopEvent(base: base, descriptor: descriptor, on: .readable) { [unowned self] in receiveMessages() }
        retryAccept = LoopEvent(base: base, descriptor: -1, on: .timer) { [unowned self] in
            for listener in listeners { evconnlistener_enable(listener) }
        }
        guard messages != nil, retryAccept != nil else { throw .internal("out of memory") }
        messages?.add()
    }

    deinit {
        for listener in listeners { evconnlistener_free(listener) }
        messages = nil
        retryAccept = nil
        scheduled.removeAll()
        handle.invalidate()
        event_base_free(base)
    }

    // MARK: Listening

    /// Opens a listening socket on a numeric IPv4 or IPv6 address.
    ///
    /// - Parameter port: 0 for any free one.
    /// - Returns: the port.
    package func bind(address: String, port: UInt16) throws(HTTPError) -> UInt16 {
        guard var socketAddress = SocketAddress(address, port: port) else { throw .invalid("address") }
        let descriptor = socket(
            socketAddress.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw .bind(errno) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
        guard socketAddress.bind(descriptor) else {
            let code = errno
            Glibc.close(descriptor)
            throw .bind(code)
        }
        // Unretained: `deinit` frees the listener before the server is gone.
        let listener = evconnlistener_new(
            base,
            { _, descriptor, address, _, owner in
                guard let owner else { return }
                Unmanaged<HTTPServer>.fromOpaque(owner).takeUnretainedValue()
                    .accept(descriptor, remotePort: SocketAddress.port(of: address))
            }, Unmanaged.passUnretained(self).toOpaque(),
            UInt32(LEV_OPT_CLOSE_ON_FREE) | UInt32(LEV_OPT_CLOSE_ON_EXEC), 128, descriptor)
        guard let listener else {
            let code = errno
            Glibc.close(descriptor)
            throw .bind(code)
        }
        evconnlistener_set_error_cb(listener) { listener, owner in
            guard let owner, let listener else { return }
            Unmanaged<HTTPServer>.fromOpaque(owner).takeUnretainedValue()
                .acceptFailed(evconnlistener_get_fd(listener))
        }
        listeners.append(listener)
        return SocketAddress.localPort(of: descriptor) ?? port
    }

    private func accept(_ descriptor: Int32, remotePort: UInt16) {
        if connections.count >= limits.connections, !closeOldestWithoutRequest() {
            Glibc.close(descriptor)
            return
        }
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
        lastConnection += 1
        guard
            let connection = ServerConnection(
                server: self, serial: lastConnection, descriptor: descriptor, remotePort: remotePort)
        else {
            Glibc.close(descriptor)
            return
        }
        connections[lastConnection] = connection
    }

    /// No descriptor is left (EMFILE, ENFILE), or no memory. The socket stays readable, so the loop would spin: leave
    /// it alone for a moment, and make room.
    private func acceptFailed(_ descriptor: Int32) {
        // The kernel looks for a descriptor before it looks for a connection: often there is none to wait for.
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 0) == 1 else { return }
        for listener in listeners { evconnlistener_disable(listener) }
        _ = closeOldestWithoutRequest()
        retryAccept?.add(after: .milliseconds(100))
    }

    /// Those that never sent a whole request go first, so that many idle connections cannot push out the one in use.
    private func closeOldestWithoutRequest() -> Bool {
        let victim = connections.values.filter(\.isWithoutRequest)
            .min { ($0.hasServed ? 1 : 0, $0.serial) < ($1.hasServed ? 1 : 0, $1.serial) }
        victim?.close()
        return victim != nil
    }

    func forget(_ connection: ServerConnection) {
        connections[connection.serial] = nil
    }

    /// For tests and diagnostics; on the loop only.
    package var connectionCount: Int { connections.count }

    // MARK: The loop

    /// Blocks until ``HTTPServerHandle/stop()``; then the connections are closed, and what waits for them is told. A
    /// server runs once.
    package func run() {
        guard !isStopped else { return }
        _ = event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY)
        isStopped = true
        // Here and not in `deinit`: what the closing calls may use the server.
        while let connection = connections.values.first { connection.close() }
    }

    private func receiveMessages() {
        for message in handle.takeMessages() {
            switch message {
            case .work(let work): work()
            case .stop:
                isStopped = true
                event_base_loopbreak(base)
            }
        }
    }

    /// Runs `work` on the loop once.
    package func schedule(after delay: Duration, _ work: @escaping () -> Void) {
        schedule(after: delay, repeating: nil, work)
    }

    /// Runs `work` on the loop again and again, first after one interval.
    package func schedule(every interval: Duration, _ work: @escaping () -> Void) {
        schedule(after: interval, repeating: interval, work)
    }

    private func schedule(after delay: Duration, repeating interval: Duration?, _ work: @escaping () -> Void) {
        lastSchedule += 1
        let number = lastSchedule
        let event = LoopEvent(base: base, descriptor: -1, on: .timer) { [unowned self] in
            if let interval { scheduled[number]?.add(after: interval) }
            work()
            if interval == nil { scheduled[number] = nil }
        }
        scheduled[number] = event
        event?.add(after: delay)
    }

    // MARK: Buffers

    func takeBuffer() -> ReceiveBuffer? {
        defer { spareBuffer = nil }
        return spareBuffer ?? ReceiveBuffer()
    }

    /// Keeps one, and no giant.
    func recycle(_ buffer: consuming ReceiveBuffer) {
        var buffer = buffer
        guard spareBuffer == nil, buffer.capacity <= 1 << 20, isKnownUniquelyReferenced(&buffer) else { return }
        buffer.truncate(to: 0)
        spareBuffer = buffer
    }
}
