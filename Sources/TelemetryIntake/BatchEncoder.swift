package import Deflate
import JSON
package import TelemetryModel

/// Turns one POST body into one batch: chunks of ready `_bulk` lines, observations, what the ledger counts, and the state
/// that the next body is read against.
///
/// Pure but for its buffers, which it keeps from body to body (up to about 3 MiB between bodies). Belongs to one thread.
package final class BatchEncoder {
    private var configuration: IntakeConfiguration
    private let buffers: BulkLines.Buffers
    private let outline = JSONOutline()
    private let ownLinePrefix: [UInt8]
    private var observer: ReportObserver
    private var storage: ContiguousArray<BodyElement> = []

    package init(configuration: IntakeConfiguration) throws(DeflateError) {
        self.configuration = configuration
        buffers = try BulkLines.Buffers(level: configuration.compressionLevel)
        ownLinePrefix = Array(configuration.ownLinePrefix.utf8)
        observer = ReportObserver(carriesRequestID: configuration.requestIDLabel)
    }

    /// Managed Instances are known for certain only once register was answered.
    package var managedInstances: Bool {
        get { configuration.managedInstances }
        set { configuration.managedInstances = newValue }
    }

    /// Encodes a body.
    ///
    /// `number` is what append drew for it. `recall` answers how many events a recent body with this digest had, nil if
    /// there was none. A body without elements gives an empty batch without ``EncodedBatch/body``.
    package func encode(
        body: UnsafeRawBufferPointer, number: UInt64, state: IntakeState, function: FunctionIdentity,
        receivedMs: Int64, recall: (Digest128) -> Int?
    ) -> EncodedBatch {
        var batch = EncodedBatch(state: state)
        let prefix = state.lastAcknowledgementUncertain ? state.lastBody : nil
        let scan = scan(body, prefix: prefix?.events)
        defer { takeBack(scan) }
        guard scan.count > 0 else { return batch }
        if let repeated = repetition(scan, state, recall) {
            batch.ledger.add(repeated, .received)
            batch.ledger.add(repeated, .duplicate)
            return batch
        }
        var skipped = 0
        if let prefix, prefix.events < scan.count, scan.prefixDigest == prefix.digest { skipped = prefix.events }
        batch.ledger.add(skipped, .received)
        batch.ledger.add(skipped, .duplicate)

        var pass = EncodingPass(
            configuration: configuration, state: state, function: function, observer: observer, receivedMs: receivedMs,
            lines: lines(number: number, digest: scan.digest, state: state, function: function, nowMs: receivedMs))
        let events = encodeElements(scan, skipping: skipped, &pass)
        observer = pass.observer
        pass.finish(&batch)
        batch.body = LastBody(digest: scan.digest, events: events)
        batch.state.lastBody = batch.body
        return batch
    }

    /// Delivers held parts as text that have waited for `olderThanMs` milliseconds of wall clock, all of them with 0. Nil
    /// when there are none.
    package func releaseHeldParts(
        number: UInt64, state: IntakeState, function: FunctionIdentity, nowMs: Int64, olderThanMs: Int64
    ) -> EncodedBatch? {
        var joiner = CutRecordJoiner(parts: state.heldParts)
        let released = joiner.take(olderThan: olderThanMs, nowMs: nowMs)
        guard !released.isEmpty else { return nil }
        var batch = EncodedBatch(state: state)
        var digest = BodyDigest()
        for part in released {
            part.envelope.withUnsafeBytes { digest.add(Digest128(of: $0)) }
            part.value.withUnsafeBytes { digest.add(Digest128(of: $0)) }
        }
        var pass = EncodingPass(
            configuration: configuration, state: state, function: function, observer: observer, receivedMs: nowMs,
            lines: lines(number: number, digest: digest.value, state: state, function: function, nowMs: nowMs))
        pass.joiner = joiner
        for part in released { deliver(part, &pass) }
        observer = pass.observer
        pass.finish(&batch)
        return batch
    }

    /// True when the body holds a `platform.restoreStart`, which ends SnapStart's time without an environment id.
    package static func containsRestoreStart(_ body: UnsafeRawBufferPointer) -> Bool {
        // The quotes keep out what a log line says about it; the S is rare.
        guard body.firstIndex(of: "\"platform.restoreStart\"", from: 0, anchor: 17) != nil else { return false }
        var splitter = BodySplitter(body, outline: JSONOutline(), ownLinePrefix: [])
        while let element = splitter.next() {
            if element.kind == .restoreStart { return true }
        }
        return false
    }

    private func scan(_ body: UnsafeRawBufferPointer, prefix: Int?) -> BodyScan {
        let storage = storage
        self.storage = []
        return BodyScan(
            BodySplitter(body, outline: outline, ownLinePrefix: ownLinePrefix), prefix: prefix, storage: storage)
    }

    private func takeBack(_ scan: BodyScan) { storage = scan.elements }

    /// How many events are repeated when all of the body is.
    private func repetition(_ scan: BodyScan, _ state: IntakeState, _ recall: (Digest128) -> Int?) -> Int? {
        guard scan.isSinglePart else { return recall(scan.digest) }
        // The middle parts of a periodic record are equal: only a lost 200 makes a second one a repetition.
        guard state.lastAcknowledgementUncertain, state.lastBody?.digest == scan.digest else { return nil }
        return 1
    }

    /// The same in every copy of a snapshot.
    private func snapshotPrefix(_ digest: Digest128, _ function: FunctionIdentity) -> String {
        var digest = digest.bytes
        digest.append(contentsOf: function.name.utf8)
        digest.append(0)
        digest.append(contentsOf: function.version.utf8)
        return "s-\(digest.withUnsafeBytes { Digest128(of: $0) }.text)-"
    }

    /// For a record that began before the snapshot and ends in its copies: each of them makes the same of it. Nil while
    /// the whole batch has the ids of the snapshot.
    private func sharedPrefix(
        _ element: BodyElement, _ bytes: UnsafeRawBufferPointer, _ pass: EncodingPass
    ) -> String? {
        guard !pass.isSnapshot else { return nil }
        var digest = BodyDigest()
        digest.add(Digest128(of: element.whole.of(bytes)))
        return snapshotPrefix(digest.value, pass.function)
    }

    private func lines(
        number: UInt64, digest: Digest128, state: IntakeState, function: FunctionIdentity, nowMs: Int64
    ) -> BulkLines {
        let idPrefix: String
        let instance: String?
        switch state.identity {
        case .environment(let environment):
            idPrefix = "\(environment.text)-\(number)-"
            instance = environment.text
        case .snapshot:
            idPrefix = snapshotPrefix(digest, function)
            instance = nil
        }
        return BulkLines(
            buffers: buffers, configuration: configuration, idPrefix: idPrefix, function: function, instance: instance,
            receivedMs: nowMs)
    }

    /// Returns the number of events in the body, the skipped ones included.
    private func encodeElements(_ scan: BodyScan, skipping skipped: Int, _ pass: inout EncodingPass) -> Int {
        if skipped == 0, configuration.storesEvents, !pass.joiner.parts.isEmpty, let first = scan.elements.first {
            switch pass.joiner.join(scan.splitter.bytes, first: first, outline: outline) {
            case .none: break
            case .extended:
                pass.ledger.add(1, .received)
                pass.ledger.add(1, .joined)
                deliverExcess(&pass)
                return 1
            case .joined(let joined, let isOfSnapshot):
                pass.ledger.add(1, .joined)
                let rescan = BodyScan(
                    BodySplitter(joined.bytes, outline: outline, ownLinePrefix: ownLinePrefix), prefix: nil,
                    storage: [])
                pass.ledger.add(rescan.events, .received)
                let idPrefix =
                    isOfSnapshot ? rescan.elements.first.flatMap { sharedPrefix($0, joined.bytes, pass) } : nil
                encode(rescan, from: 0, firstIsHeld: true, firstIDPrefix: idPrefix, &pass)
                withExtendedLifetime(joined) {}
                return rescan.events
            }
        }
        pass.ledger.add(scan.events - skipped, .received)
        encode(scan, from: skipped, firstIsHeld: false, &pass)
        return scan.events
    }

    private func encode(
        _ scan: BodyScan, from start: Int, firstIsHeld: Bool, firstIDPrefix: String? = nil, _ pass: inout EncodingPass
    ) {
        let bytes = scan.splitter.bytes
        var isHeld = firstIsHeld
        var idPrefix = firstIDPrefix
        scan.forEach(from: start) { element in
            switch element.shape {
            case .unreadable: pass.refuse(element, bytes)
            case .cut where configuration.storesEvents: pass.hold(element, bytes)
            default: pass.append(element, bytes, isHeld: isHeld, idPrefix: idPrefix)
            }
            isHeld = false
            idPrefix = nil
        }
        deliverExcess(&pass)
    }

    private func deliverExcess(_ pass: inout EncodingPass) {
        for part in pass.joiner.takeExcess() { deliver(part, &pass) }
    }

    private func deliver(_ part: HeldPart, _ pass: inout EncodingPass) {
        let text = CutRecordJoiner.text(of: part)
        var splitter = BodySplitter(text.bytes, outline: outline, ownLinePrefix: ownLinePrefix)
        if let element = splitter.next() {
            let idPrefix = part.isOfSnapshot ? sharedPrefix(element, text.bytes, pass) : nil
            pass.append(element, text.bytes, isHeld: true, hasInvocation: false, idPrefix: idPrefix)
        }
        withExtendedLifetime(text) {}
    }
}
