import HTTPTransport

/// A request on its way and the watch over it.
///
/// curl's own time-outs count frozen time: a function of a millisecond that is frozen for a minute in between would never
/// see a handshake end. So none is set but at SHUTDOWN, where there is no freeze any more; standstill is judged in thawed
/// time.
struct WatchedTransfer {
    let id: TransferID
    private(set) var watch: StallWatch

    /// - Parameter connectionLimit: at SHUTDOWN, what is left of the budget: half of it is libcurl's limit for the first
    ///   of several addresses, half of the rest for the next.
    static func start(
        _ request: HTTPRequest, on loop: TransferLoop, _ time: FlushTime, connectionLimit: Duration? = nil,
        onBody: ((UnsafeRawBufferPointer) -> Bool)? = nil
    ) throws(HTTPError) -> WatchedTransfer {
        var request = request
        request.totalTimeout = nil
        request.connectTimeout = connectionLimit ?? .seconds(86_400)
        return WatchedTransfer(id: try loop.start(request, onBody: onBody), watch: StallWatch(thawed: time.thawed))
    }

    /// The peer has not been heard since a freeze: what breaks now says nothing about the back end.
    var isFrozen: Bool { watch.isFrozen }

    mutating func froze(_ time: FlushTime) {
        watch.froze(thawed: time.thawed)
    }

    mutating func check(_ loop: TransferLoop, _ time: FlushTime) -> StallWatch.Verdict {
        watch.check(
            bytesMoved: loop.bytesMoved(id), ofThemReceived: loop.bytesReceived(id), isBodySent: loop.isBodySent(id),
            isAnswering: loop.responseBegun(id), thawed: time.thawed)
    }
}
