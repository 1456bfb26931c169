import Synchronization
package import TelemetryModel

/// What a body is encoded with.
package struct AppendTicket: Sendable {
    /// For the `_id`s of this batch. Never given out again, whatever becomes of the batch.
    package var number: UInt64
    package var state: IntakeState
}

extension Spool {
    /// Draws a number.
    package func beginAppend() throws(SpoolError) -> AppendTicket {
        try withStore { store in
            let number = store.row.nextNumber
            store.row.nextNumber += 1
            return AppendTicket(number: number, state: store.intake)
        }
    }

    /// The number of events of a body that is among the last 1,024, nil otherwise.
    package func recall(_ digest: Digest128) -> Int? {
        core.withLock { $0.store?.bodies.events(of: digest) }
    }

    /// Commits a batch and everything that goes with it in one transaction. Once it returns the batch is durable; when
    /// it throws, nothing has changed. ``SpoolError/stale``: something was committed since the batch's state was read.
    package func append(_ batch: EncodedBatch) throws(SpoolError) {
        waitingAppends.add(1, ordering: .relaxed)
        defer { waitingAppends.subtract(1, ordering: .relaxed) }
        CrashPoint.reach(.appendBegun)
        verifyFileWhenDue(nowMs: options.wallClockMs())
        try withStore { store throws(SpoolError) in try store.append(batch) }
    }

    /// Whether the last 200 went out whole. Until this says so the next body may be a repetition, regrouped.
    package func acknowledged(inFull: Bool) {
        core.withLock { $0.store?.intake.lastAcknowledgementUncertain = !inFull }
    }

    /// SnapStart: the first INVOKE or `restoreStart` has come, so this copy of the snapshot is a different one from all
    /// others and gets its id. Nothing happens when there is one.
    package func establishEnvironment() throws(SpoolError) {
        try withStore { store throws(SpoolError) in try store.establishEnvironment() }
    }
}

extension SpoolStore {
    /// WAL bytes above which an append does the checkpoint itself.
    static let listenerCheckpointFrames = (8 << 20) / SpoolSchema.frameSize

    func append(_ batch: EncodedBatch) throws(SpoolError) {
        guard batch.state.revision == intake.revision else { throw .stale }
        let observes = batch.state.identity != .snapshot
        let change = metrics.change(
            observations: observes ? batch.observations : [], counters: observes ? batch.counters : [])
        var batch = batch
        // A reject that would push out all others, or good events, is cut to what may be kept of it.
        let limit = max(4096, space.bound / Self.rejectShare / 4)
        for index in batch.rejects.indices where batch.rejects[index].content.count > limit {
            batch.rejects[index].content.removeSubrange(limit...)
        }
        let need = need(of: batch)
        try prepareRoom(for: need)
        let now = options.wallClockMs()
        let entered = batch.body.flatMap { bodies.events(of: $0.digest) == nil ? $0 : nil }
        let slot = row.bodies % BodyRing.size
        try transaction(during: "append", before: .appendBeforeCommit, after: .appendAfterCommit) {
            pending throws(SpoolError) in
            pending.ledger.add(batch.ledger)
            let kept = try makeRoom(pages: need.pages, for: batch.chunks, &pending)
            for chunk in kept { try insertChunk(chunk, createdMs: now, attempts: 0, retryAtMs: 0, &pending) }
            try insert(batch.rejects, createdMs: now, &pending)
            if batch.state.heldParts != intake.heldParts { try save(batch.state.heldParts) }
            if let entered {
                try BodyRing.save(entered, slot: slot, to: connection)
                pending.row.bodies += 1
            }
            try MetricState.save(change, to: connection)
            pending.row.invocationID = batch.state.invocationID
            pending.row.lastBody = batch.state.lastBody
            for counter in batch.counters where counter.family == CounterIncrement.platformDropped {
                let (sum, overflow) = pending.row.platformDropped.addingReportingOverflow(counter.count)
                pending.row.platformDropped = overflow ? .max : sum
            }
        }
        if let entered { bodies.enter(entered, slot: slot) }
        if !change.isEmpty {
            metrics.apply(change)
            metricRevision += 1
        }
        let uncertain = batch.body != nil || intake.lastAcknowledgementUncertain
        let identity = intake.identity
        intake = batch.state
        intake.revision &+= 1
        intake.identity = identity
        intake.lastAcknowledgementUncertain = uncertain
        // Usually the flush thread has long done it; when it does not come, the WAL must not grow without bound.
        if connection.framesInWAL > Self.listenerCheckpointFrames { try? checkpoint() }
    }

    private func save(_ parts: [HeldPart]) throws(SpoolError) {
        try connection.run("DELETE FROM held_parts", during: "append")
        for (position, part) in parts.enumerated() {
            try Self.insert(part, position: position, into: connection)
        }
    }

    /// What a batch may take, generously: its blobs, and a page of each table and index that it touches. A batch that
    /// only changes what is there, a repetition for example, takes none, and so never makes anything go.
    private func need(of batch: EncodedBatch) -> PageNeed {
        var bytes = batch.rejects.reduce(0) { $0 + Self.bytes(of: $1) }
        for chunk in batch.chunks { bytes += chunk.stored.count + SpoolSchema.pageSize }
        var rewritten = 0
        if batch.state.heldParts != intake.heldParts {
            // All of them are written anew, into the pages that they had.
            let before = Self.bytes(of: intake.heldParts)
            let after = Self.bytes(of: batch.state.heldParts)
            bytes += max(0, after - before)
            rewritten = min(before, after)
        }
        func pages(_ bytes: Int) -> Int { bytes == 0 ? 0 : bytes / SpoolSchema.pageSize + 12 }
        return PageNeed(pages: pages(bytes), frames: pages(bytes + rewritten))
    }

    private static func bytes(of parts: [HeldPart]) -> Int {
        parts.reduce(0) { $0 + $1.envelope.count + $1.value.count + SpoolSchema.pageSize }
    }

    func establishEnvironment() throws(SpoolError) {
        guard row.environmentID == nil else { return }
        // The kernel's random numbers: anything of our own would be equal in every copy of the snapshot.
        var generator = SystemRandomNumberGenerator()
        let id = EnvironmentID(using: &generator)
        try transaction(during: "establish", after: .environmentEstablished) { pending throws(SpoolError) in
            pending.row.environmentID = id
        }
        intake.identity = .environment(id)
        intake.revision &+= 1
        metricRevision += 1
    }
}
