import CCurl
import Glibc

/// Names one transfer of one ``TransferLoop``. Never used twice.
package struct TransferID: Hashable, Sendable {
    let number: UInt64
}

/// The end of one transfer.
package struct TransferCompletion: Sendable {
    package let id: TransferID
    package let result: Result<HTTPResponse, HTTPError>
    /// Head and body together, without TLS framing.
    package let bytesSent: UInt64
    package let bytesReceived: UInt64
}

/// Many exchanges on one thread: libcurl's multi interface.
///
/// Belongs to the thread that made it; ``waker`` alone may be used from others. Every started transfer ends in exactly
/// one completion, unless it is cancelled: then in none.
package final class TransferLoop {
    package let waker: TransferLoopWaker
    private var multi: UnsafeMutableRawPointer
    private var running: [TransferID: RunningTransfer] = [:]
    private var lastNumber: UInt64 = 0
    /// libcurl is on the stack: handles may be neither added nor removed, so both wait until it returns.
    private var isInsideLibcurl = false
    private var waitingToStart: [TransferID] = []
    private var waitingToEnd: [RunningTransfer] = []
    private let wallClock: () -> Duration
    /// By origin, as long as the pool may hold a connection to it.
    private var lastUse: [String: Duration] = [:]
    private var staleOrigins: Set<String> = []

    private struct RunningTransfer {
        let id: TransferID
        let handle: UnsafeMutableRawPointer
        let transfer: Transfer
        let origin: String
    }

    /// - Parameter wallClock: runs on while the environment is frozen; `nil`: the system's real-time clock.
    package init(wallClock: (() -> Duration)? = nil) throws(HTTPError) {
        guard HTTPTransport.isInitialized, let multi = curl_multi_init() else {
            throw .internal("libcurl failed to start")
        }
        self.multi = multi
        self.wallClock = wallClock ?? Self.realTime
        waker = TransferLoopWaker(multi)
    }

    deinit {
        waker.close()
        for entry in running.values { end(entry) }
        curl_multi_cleanup(multi)
    }

    /// The transfers that will still complete.
    package var active: Int { running.count }

    /// Begins an exchange; bytes move during ``poll(timeout:)``.
    ///
    /// - Parameter onBody: receives the body of the answer as it arrives, during `poll`; `false` ends the transfer with
    ///   `.cancelled`. It may call ``start(_:onBody:)`` and ``cancel(_:)``.
    package func start(
        _ request: HTTPRequest, onBody: ((UnsafeRawBufferPointer) -> Bool)? = nil
    ) throws(HTTPError) -> TransferID {
        guard let url = RequestURL(request.url) else { throw .invalid("URL") }
        guard let handle = curl_easy_init() else { throw .internal("out of memory") }
        let origin = "\(url.scheme)://\(url.hostField)"
        var request = request
        if staleOrigins.contains(origin) { request.requiresFreshConnection = true }
        let transfer = Transfer(request, onBody: onBody)
        do {
            try transfer.configure(handle)
        } catch {
            curl_easy_cleanup(handle)
            throw error
        }
        lastNumber += 1
        let id = TransferID(number: lastNumber)
        let entry = RunningTransfer(id: id, handle: handle, transfer: transfer, origin: origin)
        if isInsideLibcurl {
            waitingToStart.append(id)
        } else {
            guard curl_multi_add_handle(multi, handle) == CURLM_OK else {
                curl_easy_cleanup(handle)
                throw .internal("libcurl refused a transfer")
            }
        }
        running[id] = entry
        lastUse[origin] = wallClock()
        return id
    }

    /// Moves bytes and waits for more, at most `timeout`.
    ///
    /// Returns as soon as something has completed, and also without a completion when bytes moved, the waker was used
    /// or the time is over: the caller's loop decides what is next.
    package func poll(timeout: Duration) -> [TransferCompletion] {
        let completions = advance()
        guard completions.isEmpty else { return completions }
        sleep(upTo: timeout)
        return advance()
    }

    /// Waits for bytes that can move, the waker or the end of `limit`, and does nothing else: what it took longer was not
    /// spent working.
    package func sleep(upTo limit: Duration) {
        var ready: Int32 = 0
        // The error of a poll that was interrupted is no more than an early return.
        _ = curl_multi_poll(multi, nil, 0, Int32(clamping: limit.wholeMilliseconds), &ready)
    }

    /// Ends a transfer without a completion. Unknown and finished ones are passed over.
    package func cancel(_ id: TransferID) {
        guard let entry = running.removeValue(forKey: id) else { return }
        entry.transfer.isCancelled = true
        if isInsideLibcurl {
            waitingToEnd.append(entry)
        } else {
            end(entry)
        }
    }

    // MARK: Progress

    /// Sent and received so far. A value that does not change is how a stall shows.
    package func bytesMoved(_ id: TransferID) -> UInt64 {
        guard let entry = running[id] else { return 0 }
        return sent(entry.handle) &+ received(entry.handle)
    }

    /// Of those, what came from the peer: bytes that were sent may still lie in our own socket's buffer.
    package func bytesReceived(_ id: TransferID) -> UInt64 { running[id].map { received($0.handle) } ?? 0 }

    /// Whether the socket has taken the whole request.
    package func isBodySent(_ id: TransferID) -> Bool {
        guard let entry = running[id], long(CURLINFO_REQUEST_SIZE, entry.handle) > 0 else { return false }
        return offset(CURLINFO_SIZE_UPLOAD_T, entry.handle) >= UInt64(entry.transfer.request.body?.count ?? 0)
    }

    package func responseBegun(_ id: TransferID) -> Bool {
        (running[id]?.transfer.statusSoFar ?? 0) != 0
    }

    /// The answer's status once its head has begun; for the receiver of a streamed body.
    package func status(_ id: TransferID) -> Int? {
        running[id].flatMap { $0.transfer.statusSoFar == 0 ? nil : $0.transfer.statusSoFar }
    }

    // MARK: Connections

    /// Closes kept connections that no transfer has used for this long by the wall clock.
    ///
    /// libcurl's own age limit counts monotonic time, which may stand still in a freeze. While other transfers run the
    /// pool cannot be emptied: until it can, requests to an origin left unused are given new connections.
    package func dropIdleConnections(unusedFor limit: Duration) {
        guard !isInsideLibcurl else { return }
        let now = wallClock()
        let busy = Set(running.values.map(\.origin))
        let stale = lastUse.filter { !busy.contains($0.key) && now - $0.value >= limit }.map(\.key)
        staleOrigins.formUnion(stale)
        // The whole pool goes, with it at most some connections that were younger.
        if running.isEmpty, !staleOrigins.isEmpty { renewPool() }
    }

    private func renewPool() {
        guard let fresh = curl_multi_init() else { return }
        waker.replace(with: fresh)
        // A wake that was meant for the old handle must not go with it.
        curl_multi_wakeup(fresh)
        curl_multi_cleanup(multi)
        multi = fresh
        staleOrigins.removeAll()
        lastUse.removeAll()
    }

    private static func realTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    // MARK: Turning the loop

    /// Moves what bytes can move, without waiting.
    package func advance() -> [TransferCompletion] {
        var stillRunning: Int32 = 0
        isInsideLibcurl = true
        _ = curl_multi_perform(multi, &stillRunning)
        isInsideLibcurl = false
        for entry in waitingToEnd { end(entry) }
        waitingToEnd.removeAll()
        var completions = collect()
        for id in waitingToStart {
            guard let entry = running[id] else { continue }
            if curl_multi_add_handle(multi, entry.handle) != CURLM_OK {
                running[id] = nil
                completions.append(completion(of: entry, .failure(.internal("libcurl refused a transfer"))))
                end(entry)
            }
        }
        waitingToStart.removeAll()
        return completions
    }

    private func collect() -> [TransferCompletion] {
        var completions: [TransferCompletion] = []
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
            // The message lives only until the handle is removed.
            let code = message.pointee.data.result
            guard let entry = running.values.first(where: { $0.handle == handle }) else { continue }
            running[entry.id] = nil
            lastUse[entry.origin] = wallClock()
            completions.append(completion(of: entry, entry.transfer.outcome(code)))
            end(entry)
        }
        return completions
    }

    private func completion(
        of entry: RunningTransfer, _ result: Result<HTTPResponse, HTTPError>
    ) -> TransferCompletion {
        TransferCompletion(
            id: entry.id, result: result, bytesSent: sent(entry.handle), bytesReceived: received(entry.handle))
    }

    private func end(_ entry: RunningTransfer) {
        curl_multi_remove_handle(multi, entry.handle)
        curl_easy_cleanup(entry.handle)
    }

    // MARK: libcurl's counters

    private func sent(_ handle: UnsafeMutableRawPointer) -> UInt64 {
        long(CURLINFO_REQUEST_SIZE, handle) &+ offset(CURLINFO_SIZE_UPLOAD_T, handle)
    }

    private func received(_ handle: UnsafeMutableRawPointer) -> UInt64 {
        long(CURLINFO_HEADER_SIZE, handle) &+ offset(CURLINFO_SIZE_DOWNLOAD_T, handle)
    }

    private func long(_ info: CURLINFO, _ handle: UnsafeMutableRawPointer) -> UInt64 {
        var value = 0
        return ccurl_get_long(handle, info, &value) == CURLE_OK ? UInt64(clamping: value) : 0
    }

    private func offset(_ info: CURLINFO, _ handle: UnsafeMutableRawPointer) -> UInt64 {
        var value: curl_off_t = 0
        return ccurl_get_offset(handle, info, &value) == CURLE_OK ? UInt64(clamping: value) : 0
    }
}
