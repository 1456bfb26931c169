import Deflate
import HTTPTransport
import Synchronization
import TelemetryModel
import TelemetryPipeline
import TelemetrySpool

/// What the three threads share: the spool, and small mailboxes.
final class SharedParts: Sendable {
    let spool: Spool
    let mailbox: FlushMailbox
    let progress = InvocationProgress()
    let function: FunctionIdentityBox
    let policy: FlushPolicy
    let gate: NetworkGate
    let notice: NoticeSink
    /// Managed Instances: by the init type, or found out at register.
    let managed: Atomic<Bool>
    /// SnapStart: an INVOKE came before the spool was open; the environment is established when it is.
    private let establishmentDue = Atomic<Bool>(false)
    private let isSnapStart: Bool
    private let established = Atomic<Bool>(false)
    /// Telemetry will come: subscribed.
    let isSubscribed = Atomic<Bool>(false)

    init(configuration: Configuration, lambda: LambdaEnvironment, notices: NoticeWriter) throws(HTTPError) {
        let notice: NoticeSink = { notices.write($0, nowMs: Moment.now().monotonic.milliseconds) }
        guard let mailbox = FlushMailbox() else { throw HTTPError.internal("no file descriptor left") }
        self.isSnapStart = lambda.initializationType == .snapStart
        self.notice = notice
        self.mailbox = mailbox
        self.function = FunctionIdentityBox(
            FunctionIdentity(name: lambda.functionName, version: lambda.functionVersion, region: lambda.region))
        self.policy = FlushPolicy(
            events: configuration.batchEvents, bytes: configuration.batchBytes, age: configuration.batchAge)
        self.gate = NetworkGate(wake: { mailbox.post { $0.invoked = true } })
        self.managed = Atomic(lambda.initializationType == .managedInstances)
        self.spool = Spool(
            directory: configuration.spoolDirectory,
            options: SpoolOptions(
                maximumBytes: configuration.spoolMaxBytes, snapStart: lambda.initializationType == .snapStart,
                crc32: { CRC32.of($0) }, notice: notice))
    }

    /// SnapStart: the first INVOKE ends the time in which every copy is equal.
    /// Takes the spool's mutex only where it matters: `next` must not wait behind a POST.
    func establishEnvironment() {
        guard isSnapStart, !established.load(ordering: .acquiring) else { return }
        do throws(SpoolError) {
            try spool.establishEnvironment()
            established.store(true, ordering: .releasing)
        } catch {
            establishmentDue.store(true, ordering: .releasing)
        }
    }

    /// Listener thread, after the spool was opened.
    func spoolOpened() {
        if establishmentDue.exchange(false, ordering: .acquiringAndReleasing) { establishEnvironment() }
    }
}
