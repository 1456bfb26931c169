/// What the simulated Runtime API does other than the ordinary.
package struct RuntimeAPIOptions: Sendable {
    package enum Telemetry: Equatable, Sendable {
        case available
        /// 202, as SAM and the older emulator answer: nothing will be delivered.
        case notSupported
        /// 400 for schemas newer than this one.
        case newestSchema(String)
        /// 403 `Telemetry.SubscriptionClosed`.
        case closed
        /// 500.
        case failing
    }

    package var telemetry = Telemetry.available
    /// INVOKE is refused at register, telemetry knows only schema `2025-01-29`.
    package var isManagedInstances = false
    /// This many calls of `next` are answered 500 before one is served.
    package var nextFailures = 0
    /// This many calls of `register` are answered 500 first.
    package var registerFailures = 0
    /// Every `register` is refused with this error type (403).
    package var registerRefusal: String?
    /// `SPINDOWN` as in the guide instead of `spindown` as in AWS's emulator.
    package var upperCaseReason = false
    /// Fields left out of register's answer, as older environments do.
    package var omitsRegisterFields = false
    package var functionName = "checkout-worker"
    package var functionVersion = "17"
    package var handler = "app.handler"
    package var accountID = "210987654321"
    /// Extensions above this number are refused.
    package var extensionLimit = 10
    /// File names of the external extensions; a register under another name is an internal extension. Nil: all external.
    package var externalNames: Set<String>?

    package init() {}
}

/// `INVOKE` or `SHUTDOWN`, as extensions register for them.
package enum LifecycleKind: String, CaseIterable, Sendable {
    case invoke = "INVOKE"
    case shutdown = "SHUTDOWN"
}

package enum ShutdownReason: String, Sendable {
    case spindown, timeout, failure
}
