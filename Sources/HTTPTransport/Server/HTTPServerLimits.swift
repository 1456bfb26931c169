/// What an ``HTTPServer`` accepts. Every bound is on what it holds in memory or on how long it does.
package struct HTTPServerLimits: Sendable {
    /// A body above it is answered 413.
    package var bodyBytes: Int
    /// Bodies that are not complete yet, of all connections together; the one that passes it is answered 503.
    package var unfinishedBytes: Int
    /// Request line and fields together; above it 431.
    package var headerBytes: Int
    /// One more, and the oldest without a complete request is closed.
    package var connections: Int
    /// From the first byte of a request to its last. There is no bound on the time between requests.
    package var requestDeadline: Duration?
    /// All others are answered 405; `nil`: every method goes to the handler.
    package var methods: Set<String>?

    package init(
        bodyBytes: Int = 8 << 20,
        unfinishedBytes: Int = 8 << 20,
        headerBytes: Int = 16 << 10,
        connections: Int = 256,
        requestDeadline: Duration? = .seconds(10),
        methods: Set<String>? = nil
    ) {
        self.bodyBytes = bodyBytes
        self.unfinishedBytes = unfinishedBytes
        self.headerBytes = headerBytes
        self.connections = connections
        self.requestDeadline = requestDeadline
        self.methods = methods
    }
}
