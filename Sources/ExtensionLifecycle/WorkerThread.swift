import Glibc
import HTTPTransport

/// The two threads beside the main one. They are never joined: the process ends by `_exit`.
enum WorkerThread {
    private final class Body {
        let name: String
        let run: @Sendable () -> Void

        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// - Parameter name: at most 15 bytes, shown by `ps` and debuggers.
    /// - Returns: false when the environment has no thread left.
    static func start(_ name: String, _ run: @escaping @Sendable () -> Void) -> Bool {
        // The box is retained here and released by the thread that it starts, or below when none was started.
        let box = Unmanaged.passRetained(Body(name: name, run: run))
        // Room instead of `pthread_attr_t()`: which module that initialiser belongs to depends on what was imported first.
        let status = withUnsafeTemporaryAllocation(of: pthread_attr_t.self, capacity: 1) { room -> Int32 in
            guard let attributes = room.baseAddress, pthread_attr_init(attributes) == 0 else { return ENOMEM }
            defer { pthread_attr_destroy(attributes) }
            pthread_attr_setdetachstate(attributes, Int32(PTHREAD_CREATE_DETACHED))
            pthread_attr_setstacksize(attributes, 1 << 20)
            var thread = pthread_t()
            return pthread_create(
                &thread, attributes,
                { raw in
                    guard let raw else { return nil }
                    let body = Unmanaged<Body>.fromOpaque(raw).takeRetainedValue()
                    HTTPTransport.nameThread(body.name)
                    body.run()
                    return nil
                }, box.toOpaque())
        }
        if status != 0 { box.release() }
        return status == 0
    }

    /// Holds the calling thread for `wait`.
    static func sleep(_ wait: Duration) {
        var left = timespec(
            tv_sec: Int(wait.components.seconds), tv_nsec: Int(wait.components.attoseconds / 1_000_000_000))
        var rest = timespec()
        while nanosleep(&left, &rest) != 0, errno == EINTR { left = rest }
    }
}
