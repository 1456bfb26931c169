import Foundation
package import HTTPTransport

/// Carries a value that belongs to a server's loop through `@Sendable` closures.
///
/// `@unchecked Sendable`: the value is made on the loop's thread and touched only in handlers and in closures given to
/// ``ServerThread/perform(_:)``, which all run there.
package final class LoopConfined<Value>: @unchecked Sendable {
    package var value: Value

    package init(_ value: Value) {
        self.value = value
    }
}

/// One ``HTTPServer`` on a thread of its own.
package final class ServerThread: Sendable {
    package let port: UInt16
    private let handle: HTTPServerHandle
    private let finished: Monitor<Bool>

    private struct Start {
        var result: Result<(UInt16, HTTPServerHandle), any Error>?
    }

    /// Bodies up to 256 MiB: the simulated services decide themselves what is too large.
    package static let generousLimits = HTTPServerLimits(
        bodyBytes: 256 << 20, unfinishedBytes: 1 << 30, headerBytes: 64 << 10, connections: 4096, requestDeadline: nil,
        methods: nil)

    /// Returns when the port is bound. A port that is still being given back by a predecessor is waited for.
    package init(
        name: String, address: String = "127.0.0.1", port: UInt16 = 0, limits: HTTPServerLimits = generousLimits,
        handler: @escaping @Sendable (HTTPServerRequest, HTTPResponder) -> Void
    ) throws {
        let start = Monitor(Start())
        let finished = Monitor(false)
        let thread = Thread {
            do {
                let server = try HTTPServer(limits: limits, handler: handler)
                let bound = try Self.bind(server, address: address, port: port)
                let handle = server.handle
                start.withLock { $0.result = .success((bound, handle)) }
                server.run()
            } catch {
                start.withLock { $0.result = .failure(error) }
            }
            finished.withLock { $0 = true }
        }
        thread.name = name
        // Nested documents are read by recursion; 64 MiB of address space hold some ten thousand levels.
        thread.stackSize = 64 << 20
        thread.start()
        guard let result = start.wait(timeout: .seconds(10), { $0.result }) else {
            throw SimulatorError.timedOut("the server \(name) did not start within 10 s")
        }
        (self.port, self.handle) = try result.get()
        self.finished = finished
    }

    private static func bind(_ server: HTTPServer, address: String, port: UInt16) throws -> UInt16 {
        let deadline = ContinuousClock.now + .seconds(port == 0 ? 0 : 3)
        while true {
            do {
                return try server.bind(address: address, port: port)
            } catch {
                guard ContinuousClock.now < deadline else { throw error }
                pause(.milliseconds(20))
            }
        }
    }

    package func perform(_ work: @escaping @Sendable () -> Void) { handle.perform(work) }

    /// Ends the loop with all its connections and waits for it.
    package func stop() {
        handle.stop()
        _ = finished.wait(timeout: .seconds(5)) { $0 ? true : nil }
    }
}
