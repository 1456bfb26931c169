/// What kind of environment is simulated: `AWS_LAMBDA_INITIALIZATION_TYPE`.
package enum InitializationType: String, Sendable {
    case onDemand = "on-demand"
    case provisionedConcurrency = "provisioned-concurrency"
    case snapStart = "snap-start"
    case managedInstances = "lambda-managed-instances"
}

package enum LogFormat: String, Sendable {
    case text = "Text"
    case json = "JSON"
}

/// Everything about an execution environment that is fixed before its first process starts.
package struct EnvironmentSetup: Sendable {
    /// Paths of the extensions' executables; each runs under its file name.
    package var extensions: [String]
    package var functionName = "checkout-worker"
    package var functionVersion = "17"
    package var handler = "app.handler"
    package var accountID = "210987654321"
    package var region = "eu-west-1"
    package var memorySizeMB = 512
    /// The function's timeout: limit of an invocation, extensions included.
    package var timeout = Duration.seconds(30)
    package var initializationType = InitializationType.onDemand
    package var logFormat = LogFormat.text
    /// Added to, and stronger than, Lambda's own.
    package var variables: [String: String] = [:]
    /// `HOME`; nil leaves it unset, as on Lambda.
    package var home: String?
    /// Sets the proxy variables to a port on which nobody listens.
    package var setsDeadProxy = false
    /// Mounts the environment's directory over /tmp for its processes. Needs the right to unshare a mount namespace and
    /// executables that lie outside /tmp; without either, `start` says so.
    package var mountsPrivateTmp = false
    /// Sets `PERMAFROST_SPOOL_DIR` and `TMPDIR` below the environment's directory (there is one /tmp per machine).
    package var redirectsTemporaryFiles = true
    /// Parent of the environment's own directory; nil: the system's temporary directory.
    package var parentDirectory: String?
    package var runtimeAPI = RuntimeAPIOptions()
    package var publisher = PublisherOptions()
    /// The init phase's limit.
    package var initLimit = Duration.seconds(10)
    /// The SHUTDOWN phase's limit, and how far ahead its `deadlineMs` lies.
    package var shutdownLimit = Duration.seconds(2)
    /// Added to every `deadlineMs` of SHUTDOWN: a negative value is the stale wall clock after a thaw.
    package var shutdownDeadlineOffset = Duration.zero
    /// From SHUTDOWN to the delivery of the last report.
    package var lastReportDelay = Duration.milliseconds(5)
    /// A report of an invocation that timed out or crashed is made all the same, and delivered at shutdown.
    package var reportsFailedInvocations = false
    package var traceHeader: String? = "Root=1-6a68f1a2-0c1d2e3f405162738495a6b7;Parent=1122334455667788;Sampled=1"

    package init(extensions: [String]) {
        self.extensions = extensions
    }

    package var functionARN: String { "arn:aws:lambda:\(region):\(accountID):function:\(functionName)" }
    package var isManagedInstances: Bool { initializationType == .managedInstances }
}
