import Glibc
import Synchronization

/// An ``HTTPServer`` on a thread of its own, for whoever is not the loop: simulator and tests.
package final class HTTPServerThread: Sendable {
    package let port: UInt16
    package let handle: HTTPServerHandle
    private let thread: Mutex<pthread_t?>

    /// Opens the socket, then starts the thread; requests are answered from then on.
    ///
    /// - Parameter name: of the thread, at most 15 bytes.
    package init(
        name: String, limits: HTTPServerLimits = HTTPServerLimits(), address: String = "127.0.0.1", port: UInt16 = 0,
        handler: @escaping @Sendable (HTTPServerRequest, HTTPResponder) -> Void
    ) throws(HTTPError) {
        let server = try HTTPServer(limits: limits, handler: handler)
        self.port = try server.bind(address: address, port: port)
        handle = server.handle
        let start = Unmanaged.passRetained(Start(server: server, name: name))
        var identifier = pthread_t()
        let code = pthread_create(
            &identifier, nil,
            { argument in
                guard let argument else { return nil }
                // Takes over the reference that the starter left.
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                HTTPTransport.nameThread(start.name)
                start.server.run()
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw .internal("no thread")
        }
        thread = Mutex(identifier)
    }

    deinit { stop() }

    /// Closes socket and connections; returns when the thread has ended. Not to be called on the loop.
    package func stop() {
        handle.stop()
        let ended = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        if let ended { pthread_join(ended, nil) }
    }

    private final class Start {
        let server: HTTPServer
        let name: String

        init(server: HTTPServer, name: String) {
            self.server = server
            self.name = name
        }
    }
}
