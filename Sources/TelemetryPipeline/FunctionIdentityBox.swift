import Synchronization
package import TelemetryModel

/// The function's identity as known so far: the main thread adds what register and INVOKE say, the others read.
package final class FunctionIdentityBox: Sendable {
    private let identity: Mutex<FunctionIdentity>

    package init(_ identity: FunctionIdentity) {
        self.identity = Mutex(identity)
    }

    package var value: FunctionIdentity { identity.withLock { $0 } }

    package func update(_ change: (inout FunctionIdentity) -> Void) {
        identity.withLock { change(&$0) }
    }
}
