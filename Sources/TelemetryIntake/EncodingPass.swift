import JSON
import TelemetryModel

/// One batch in the making: takes its elements in order and keeps the books.
struct EncodingPass {
    private let configuration: IntakeConfiguration
    private let receivedMs: Int64
    private let observes: Bool
    let isSnapshot: Bool
    let function: FunctionIdentity
    /// What the platform dropped stands beside the books, whether or not there is a gateway to tell.
    private let countsDrops: Bool
    private var lines: BulkLines
    private var tracker: InvocationTracker
    private var counts = EventCounts()
    private var results = ReportObserver.Result()
    private var finished: [String] = []
    private var reported: [String] = []
    private var unreadable: [UInt8] = []
    private var hasUnreadable = false
    // Summed up apart from the ledger: a dictionary would cost more than all the rest of an event.
    private var stored = 0
    private var withoutSink = 0
    private var own = 0
    private(set) var observer: ReportObserver
    var joiner: CutRecordJoiner
    var ledger = Ledger()

    init(
        configuration: IntakeConfiguration, state: IntakeState, function: FunctionIdentity, observer: ReportObserver,
        receivedMs: Int64, lines: BulkLines
    ) {
        self.configuration = configuration
        self.function = function
        self.receivedMs = receivedMs
        self.observer = observer
        self.lines = lines
        tracker = InvocationTracker(current: state.invocationID, managedInstances: configuration.managedInstances)
        joiner = CutRecordJoiner(parts: state.heldParts)
        isSnapshot = state.identity == .snapshot
        // What a snapshot observes would be counted in every copy of it.
        countsDrops = !isSnapshot
        observes = countsDrops && configuration.observesMetrics
    }

    /// An event that goes its way. `isHeld`: the ledger has it among the spooled ones already. Without `hasInvocation`
    /// only the record's own request id counts, the current invocation being another one's. `idPrefix`: its id is no number
    /// of this batch.
    mutating func append(
        _ element: BodyElement, _ bytes: UnsafeRawBufferPointer, isHeld: Bool, hasInvocation: Bool = true,
        idPrefix: String? = nil
    ) {
        let requestID = element.requestID.of(bytes)
        if observes || (countsDrops && element.kind == .logsDropped) { observe(element, bytes) }
        if element.kind.movesInvocation { tracker.begin(element.kind, requestID: requestID) }
        defer { if element.kind.movesInvocation { end(element.kind, requestID) } }
        if !configuration.storesEvents {
            withoutSink &+= 1
        } else if element.kind == .extensionLogs, element.marks.contains(.ownLine) {
            own &+= 1
        } else {
            if !isHeld { stored &+= 1 }
            if !requestID.isEmpty || !hasInvocation {
                lines.append(element, bytes, invocationID: requestID, idPrefix: idPrefix)
            } else {
                tracker.rendered.withUnsafeBytes {
                    lines.append(element, bytes, invocationID: $0, idPrefix: idPrefix)
                }
            }
            return
        }
        if isHeld { stored &-= 1 }
    }

    private mutating func end(_ kind: EventKind, _ requestID: UnsafeRawBufferPointer) {
        tracker.end(kind, requestID: requestID)
        guard kind == .runtimeDone || kind == .report, !requestID.isEmpty else { return }
        let id = JSONReader.decode(requestID)
        finished.append(id)
        if kind == .report { reported.append(id) }
    }

    /// The beginning of a record whose rest another body brings.
    mutating func hold(_ element: BodyElement, _ bytes: UnsafeRawBufferPointer) {
        stored &+= 1
        joiner.hold(
            HeldPart(
                envelope: Array(bytes[Int(element.whole.start)..<Int(element.record.start)]),
                value: Array(element.record.of(bytes)), parts: 1, receivedMs: receivedMs,
                isOfSnapshot: isSnapshot))
    }

    /// Bytes of which nothing is known. All of a body's are one event.
    mutating func refuse(_ element: BodyElement, _ bytes: UnsafeRawBufferPointer) {
        if hasUnreadable { unreadable.append(0x0a) }
        hasUnreadable = true
        unreadable.append(contentsOf: element.whole.of(bytes))
    }

    mutating func finish(_ batch: inout EncodedBatch) {
        if hasUnreadable {
            if observes { counts.add(.unknown, type: UnsafeRawBufferPointer(start: nil, count: 0)) }
            ledger.add(1, .rejected, LedgerReason.unreadable)
            batch.rejects.append(
                RejectedDocument(
                    status: 0, reason: LedgerReason.unreadable, errorType: "unreadable",
                    errorReason: "no JSON", content: unreadable))
        }
        ledger.add(stored, .spooled)
        ledger.add(withoutSink, .filtered, LedgerReason.noSink)
        ledger.add(own, .filtered, LedgerReason.ownLine)
        batch.ledger.add(ledger)
        counts.count(into: &results)
        batch.observations = results.observations
        batch.counters = results.counts
        batch.finishedInvocations = finished
        batch.reportedInvocations = reported
        batch.chunks = lines.finish()
        batch.state.invocationID = tracker.current
        batch.state.heldParts = joiner.parts
    }

    @inline(__always)
    private mutating func observe(_ element: BodyElement, _ bytes: UnsafeRawBufferPointer) {
        counts.add(element.kind, type: element.type.of(bytes))
        guard element.shape == .object, element.kind.isMeasured, element.record.isPresent else {
            if element.kind == .report { results.count(CounterIncrement.invocations, "unknown") }
            return
        }
        observer.observe(element.kind, record: element.record.of(bytes), into: &results)
    }
}

extension EventKind {
    /// Begins or ends an invocation in the order of events.
    @inline(__always)
    fileprivate var movesInvocation: Bool {
        switch self {
        case .start, .runtimeDone, .report, .initStart, .restoreStart: true
        default: false
        }
    }

    @inline(__always)
    fileprivate var isMeasured: Bool {
        switch self {
        case .report, .initReport, .restoreReport, .logsDropped: true
        default: false
        }
    }
}
