package import TelemetryIntake
package import TelemetryModel
package import TelemetrySpool

/// What the listener does with a body: encode it outside the spool's mutex, commit it, and only then say so.
///
/// Lives on the listener thread. The flush thread is woken when something may be due, not for every batch.
package final class Ingest {
    package enum Outcome: Sendable {
        /// In the spool, or a repetition of what is.
        case committed
        /// The spool is not open (yet): ask again later.
        case unavailable
        /// The commit failed and left nothing behind.
        case failed
    }

    private let spool: Spool
    private let encoder: BatchEncoder
    private let function: FunctionIdentityBox
    private let policy: FlushPolicy
    private let mailbox: FlushMailbox
    private let progress: InvocationProgress
    private let notice: NoticeSink
    private let now: () -> Moment
    /// Seconds of thawed time after which a part of a cut record is delivered as text.
    private static let partAge = 60
    /// Thawed seconds that each held part has waited in this process, by its time of reception.
    private var partAges: [Int64: Int] = [:]
    /// A predecessor may have left some.
    private var mayHoldParts = true

    package init(
        spool: Spool, encoder: BatchEncoder, function: FunctionIdentityBox, policy: FlushPolicy,
        mailbox: FlushMailbox, progress: InvocationProgress, notice: @escaping NoticeSink,
        now: @escaping () -> Moment = Moment.now
    ) {
        self.spool = spool
        self.encoder = encoder
        self.function = function
        self.policy = policy
        self.mailbox = mailbox
        self.progress = progress
        self.notice = notice
        self.now = now
    }

    /// - Parameter managedInstances: as far as register has told.
    package func ingest(_ body: UnsafeRawBufferPointer, managedInstances: Bool) -> Outcome {
        encoder.managedInstances = managedInstances
        CrashPoint.reach(.bodyReceived)
        let outcome = commit { ticket throws(SpoolError) in
            if case .snapshot = ticket.state.identity, BatchEncoder.containsRestoreStart(body) {
                try spool.establishEnvironment()
                return nil
            }
            return encoder.encode(
                body: body, number: ticket.number, state: ticket.state, function: function.value,
                receivedMs: now().wallMs, recall: spool.recall)
        }
        if outcome != .committed { missedSome() }
        return outcome
    }

    /// Whoever waits for the end of an invocation must hear that it may not come.
    private func missedSome() {
        progress.missedSome()
        mailbox.raise()
    }

    /// To be called once a second of thawed time: delivers as text the parts of cut records whose other half has not
    /// come for a minute. A freeze does not age them: the other half may be in the first POST after it.
    package func tick() {
        guard mayHoldParts, spool.isOpen, let held = try? spool.beginAppend().state.heldParts else { return }
        mayHoldParts = !held.isEmpty
        partAges = Dictionary(
            held.map { ($0.receivedMs, (partAges[$0.receivedMs] ?? 0) + 1) }, uniquingKeysWith: { max($0, $1) })
        guard let newest = partAges.filter({ $0.value >= Self.partAge }).keys.max() else { return }
        releaseHeldParts(receivedUpTo: newest)
    }

    /// Delivers every held part as text: none will get its other half any more.
    package func releaseHeldParts() {
        releaseHeldParts(receivedUpTo: nil)
    }

    private func releaseHeldParts(receivedUpTo limit: Int64?) {
        guard spool.isOpen else { return }
        var nothingHeld = false
        _ = commit { ticket throws(SpoolError) in
            let batch = encoder.releaseHeldParts(
                number: ticket.number, state: ticket.state, function: function.value,
                nowMs: limit.map { $0 + 1 } ?? now().wallMs, olderThanMs: limit == nil ? 0 : 1)
            nothingHeld = batch == nil
            return batch
        } whenNothing: {
            nothingHeld
        }
    }

    /// - Parameter inFull: the 200 left in full. If not, the platform may send the same events again.
    package func acknowledged(inFull: Bool) {
        CrashPoint.reach(.acknowledgementAfter)
        spool.acknowledged(inFull: inFull)
    }

    /// `make` returns nil when the state it was given is no longer the one to encode against.
    private func commit(
        _ make: (AppendTicket) throws(SpoolError) -> EncodedBatch?, whenNothing isDone: () -> Bool = { false }
    ) -> Outcome {
        for _ in 0..<8 {
            do throws(SpoolError) {
                let ticket = try spool.beginAppend()
                guard let batch = try make(ticket) else {
                    if isDone() { return .committed }
                    continue
                }
                CrashPoint.reach(.batchEncoded)
                try spool.append(batch)
                committed(batch)
                return .committed
            } catch {
                switch error {
                case .stale: continue
                case .notOpen, .busy: return .unavailable
                default:
                    notice(Notice(.error, "append_failed", [("cause", error.description)]))
                    return .failed
                }
            }
        }
        return .failed
    }

    private func committed(_ batch: EncodedBatch) {
        CrashPoint.reach(.acknowledgementBefore)
        if !batch.state.heldParts.isEmpty { mayHoldParts = true }
        progress.observed(finished: batch.finishedInvocations, reported: batch.reportedInvocations)
        if !batch.finishedInvocations.isEmpty || !batch.reportedInvocations.isEmpty { mailbox.raise() }
        if batch.counters.contains(where: { $0.family == CounterIncrement.platformDropped }) { missedSome() }
        guard !batch.chunks.isEmpty || !batch.observations.isEmpty else { return }
        let backlog = spool.backlog()
        let added = batch.chunks.reduce(0) { $0 + $1.events }
        let wasEmpty = backlog.ready.events <= added
        let due = policy.decision(
            events: backlog.ready.events, bytes: backlog.ready.bytes, oldestMs: backlog.oldestMs, nowMs: now().wallMs)
        // An idle flush thread sleeps until the oldest chunk is due; it must hear of the first one, and of thresholds.
        if wasEmpty || !batch.observations.isEmpty || (due == .flush && !mailbox.isFlushing) {
            mailbox.post { $0.appended = true }
        }
    }
}
