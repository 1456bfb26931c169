/// One thing a function prints.
package enum FunctionLog: Sendable {
    /// A plain line. In log format JSON it is wrapped as a runtime does: timestamp, level, request id, message.
    case text(String)
    /// A line that is a JSON object: a string in log format Text, an object in log format JSON.
    case json([JSONValue.Member])
    /// Any JSON text as the record, sent as it is; it carries no marker unless it holds `{marker}`, which is replaced.
    case record([UInt8])
}

/// What a simulated invocation does.
package struct Invocation: Sendable {
    package enum Ending: Equatable, Sendable {
        case success
        /// The handler throws: `runtimeDone` with status `error`; the environment goes on.
        case functionError(String)
        /// The runtime exits: status `failure`, SHUTDOWN with reason failure, reset.
        case runtimeCrash
        /// The function never answers: `timeout` at the function's limit, SHUTDOWN with reason timeout, reset.
        case hang
    }

    package enum Afterwards: Sendable {
        /// Frozen as soon as everyone is in `next`, until the next invocation: what Lambda does.
        case freeze
        /// The processes go on running.
        case stayWarm
    }

    package var duration: Duration
    /// Printed in order, spread over the duration.
    package var logs: [FunctionLog]
    package var ending = Ending.success
    package var afterwards = Afterwards.freeze
    /// INVOKE reaches the extensions so much later than `platform.start` is made; they come in either order.
    package var invokeDelay = Duration.zero
    /// Reported as `maxMemoryUsedMB`.
    package var usedMemoryMB = 118
    /// Runs on the calling thread when the function has printed everything, before `runtimeDone`.
    package var beforeRuntimeDone: (@Sendable () -> Void)?

    package init(duration: Duration = .milliseconds(2), logs: [FunctionLog] = [], ending: Ending = .success) {
        self.duration = duration
        self.logs = logs
        self.ending = ending
    }

    /// Plain lines of about `bytes` bytes each.
    package static func logging(
        _ lines: Int, bytes: Int = 80, duration: Duration = .milliseconds(2)
    ) -> Invocation {
        let filler = "INFO reserving stock for an order of the warehouse in the north, "
        let text = String(String(repeating: filler, count: bytes / filler.count + 1).prefix(max(1, bytes)))
        return Invocation(duration: duration, logs: Array(repeating: .text(text), count: lines))
    }
}

/// How an invocation went, as the platform saw it.
package struct InvocationOutcome: Sendable {
    package enum Status: String, Sendable {
        case success, error, failure, timeout
    }

    package var requestID: String
    package var status: Status
    /// From `runtimeDone` until the last INVOKE-subscribed extension was in `next`: what the customer pays for.
    package var extensionOverhead: Duration
    /// From INVOKE's delivery to the extension's next call of `next`, by extension.
    package var heldNext: [String: Duration]
    /// Extensions whose process ended during the invocation.
    package var crashed: [String]
    /// True when this invocation began with a start of all extensions (cold, or a suppressed init).
    package var wasStarted: Bool
    /// Markers of what the function printed.
    package var markers: [String]
}

/// How the init phase went.
package struct InitOutcome: Sendable {
    package struct Extension: Sendable {
        package var name: String
        /// From exec to register, nil when it never came.
        package var registered: Duration?
        /// From exec to the first `next`.
        package var firstNext: Duration?
        package var residentBytes: Int?
    }

    package var duration: Duration
    package var extensions: [Extension]
}

/// How the SHUTDOWN phase went.
package struct ShutdownOutcome: Sendable {
    package enum End: Equatable, Sendable {
        case exited(Int32)
        case calledNext
        /// Still there at the deadline.
        case killed
        /// Had not registered for SHUTDOWN, or was gone already.
        case notTold
    }

    package var duration: Duration
    package var ends: [String: End]
    /// What each extension printed, over its whole life.
    package var lines: [String: [ExtensionLine]]
}
