/// What an extension can ask to be told about.
package enum LifecycleEventKind: String, Sendable, CaseIterable {
    case invoke = "INVOKE"
    case shutdown = "SHUTDOWN"
}

/// An answer to `next`.
package enum LifecycleEvent: Sendable, Equatable {
    case invoke(Invocation)
    case shutdown(Shutdown)
    /// A type of a later version of the API. It is answered like any other: with the next `next`.
    case unknown(String)
}

package struct Invocation: Sendable, Equatable {
    package let requestID: String
    /// End of the function's timeout, milliseconds since 1970.
    package let deadlineMs: Int64
    /// With the alias or version that was invoked.
    package let functionARN: String?

    package init(requestID: String, deadlineMs: Int64, functionARN: String?) {
        self.requestID = requestID
        self.deadlineMs = deadlineMs
        self.functionARN = functionARN
    }
}

package struct Shutdown: Sendable, Equatable {
    package enum Reason: Sendable, Equatable {
        case spindown
        case timeout
        case failure
        /// To be treated like `spindown`.
        case other
    }

    package let reason: Reason
    /// As it was sent; empty when it was not.
    package let reasonText: String
    /// When the extension is killed, milliseconds since 1970.
    package let deadlineMs: Int64?

    package init(reasonText: String, deadlineMs: Int64?) {
        self.reasonText = reasonText
        self.deadlineMs = deadlineMs
        // Documented in upper case, sent in lower case.
        reason =
            switch reasonText.lowercased() {
            case "spindown": .spindown
            case "timeout": .timeout
            case "failure": .failure
            default: .other
            }
    }
}

extension LifecycleEvent {
    /// Reads the body of a 200. Of an event only its type is required; nil when there is none.
    init?(body: [UInt8]) {
        guard let object = FlatObject(body), let type = object.strings["eventType"] else { return nil }
        switch type.uppercased() {
        case LifecycleEventKind.invoke.rawValue:
            self = .invoke(
                Invocation(
                    requestID: object.strings["requestId"] ?? "", deadlineMs: object.integers["deadlineMs"] ?? 0,
                    functionARN: object.strings["invokedFunctionArn"]))
        case LifecycleEventKind.shutdown.rawValue:
            self = .shutdown(
                Shutdown(
                    reasonText: object.strings["shutdownReason"] ?? "", deadlineMs: object.integers["deadlineMs"]))
        default:
            self = .unknown(type)
        }
    }
}
