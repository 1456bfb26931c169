import Foundation
import Synchronization
import TelemetryModel
import Testing

@testable import TelemetrySpool

/// Random sequences of everything that can happen to a spool, against ``SpoolModel``.
///
/// A failure prints its seed and step; rerun it with `SPOOL_SEED=<seed> swift test --filter SpoolModelTests`. The long
/// round is `SPOOL_ROUNDS=<n>`.
@Suite struct SpoolModelTests {
    @Test func `a spool does what the model says, whatever happens to it`() throws {
        let environment = ProcessInfo.processInfo.environment
        let rounds = environment["SPOOL_ROUNDS"].flatMap(Int.init) ?? 12
        let given = environment["SPOOL_SEED"].flatMap(UInt64.init)
        for round in 0..<(given == nil ? rounds : 1) {
            let seed = given ?? UInt64.random(in: 1...UInt64(UInt32.max)) &+ UInt64(round)
            var run = try ModelRun(seed: seed)
            do {
                try run.go(steps: 120)
            } catch {
                Issue.record("SPOOL_SEED=\(seed) step \(run.step) (\(run.action)) after \(run.history): \(error)")
                return
            }
        }
    }
}

private struct ModelRun {
    enum Action: CaseIterable {
        case append, `repeat`, claim, settle, settleStale, postpone, release, maintain, reopen, crash, deleteFiles,
            damage
    }

    /// What a request holds: chunks as they were claimed.
    typealias Flight = [StoredChunk]

    let directory = TemporaryDirectory()
    let world = World()
    var random: SeededGenerator
    var weights: [(Action, Int)]
    var path: String
    var spool: Spool
    var model = SpoolModel()
    var environment: EnvironmentID?
    var flights: [Flight] = []
    /// Requests whose claims were released: their answers may still come.
    var stale: [Flight] = []
    var bodies: [LastBody] = []
    var nextSeed = 1
    var step = 0
    var action = Action.append
    /// The last actions and notices, for whoever reads a failure.
    var history: String {
        "\(actions.suffix(8)) \(world.notices.suffix(4).map { "\($0.event) \($0.fields.map { $0.value })" })"
    }
    private var actions: [Action] = []

    init(seed: UInt64) throws {
        random = SeededGenerator(state: seed)
        path = directory.spool
        var random = self.random
        // Swarm testing: per run some actions are off, others likely.
        weights = Action.allCases.map { action in
            let common: Bool = [.append, .claim, .settle].contains(action)
            let rare: Bool = [.damage, .crash, .reopen, .deleteFiles].contains(action)
            return (
                action,
                common ? Int.random(in: 5...20, using: &random) : Int.random(in: 0...(rare ? 2 : 6), using: &random)
            )
        }
        self.random = random
        spool = Spool(directory: path, options: world.options(maximumBytes: 4 << 20))
        try spool.opened()
        environment = spool.environmentID
    }

    mutating func go(steps: Int) throws {
        for step in 1...steps {
            self.step = step
            action = pick()
            actions.append(action)
            do {
                try perform()
            } catch SpoolError.corrupt {
                try recover()
            }
            // Damage that nobody had met so far may show in anything.
            if spool.environmentID != environment { try recover() }
            try model.check(spool)
            if step % 10 == 0 { try compareRows() }
        }
    }

    private mutating func pick() -> Action {
        var left = Int.random(in: 0..<weights.reduce(0) { $0 + $1.1 }, using: &random)
        for (action, weight) in weights {
            if left < weight { return action }
            left -= weight
        }
        return .append
    }

    private mutating func perform() throws {
        world.advance(Int64.random(in: 0...300, using: &random))
        switch action {
        case .append: try append()
        case .repeat: try repeatBody()
        case .claim: try claim()
        case .settle:
            guard let flight = flights.popLast() else { return }
            try settle(flight)
        case .settleStale:
            guard let flight = stale.popLast() else { return }
            try settle(flight)
        case .postpone: try postpone()
        case .release: release()
        case .maintain:
            let isAboveBound = try isAboveBound()
            for _ in 0..<Int.random(in: 1...6, using: &random) { _ = spool.maintain(nowMs: now) }
            if isAboveBound { try evictAsNeeded() }
        case .reopen: try reopen(path)
        case .crash: try crash()
        case .deleteFiles:
            unlink(path + "/spool.db")
            if Bool.random(using: &random) { unlink(path + "/spool.db-wal") }
            spool.verifyFile(nowMs: now)
        case .damage: try damage()
        }
    }

    private var now: Int64 { world.wallMs.load(ordering: .relaxed) }

    private mutating func chunk() -> Chunk {
        defer { nextSeed += 1 }
        let priority = Priority(rawValue: Int.random(in: 0...2, using: &random)) ?? .line
        return Fixtures.chunk(
            events: Int.random(in: 1...20, using: &random), bytes: Int.random(in: 60...120_000, using: &random),
            priority: priority, seed: nextSeed)
    }

    private mutating func append() throws {
        var chunks: [Chunk] = []
        for _ in 0..<Int.random(in: 1...4, using: &random) { chunks.append(chunk()) }
        let body = LastBody(
            digest: Digest128(high: 5, low: UInt64(nextSeed)), events: chunks.reduce(0) { $0 + $1.events })
        do {
            try spool.append(chunks: chunks, body: body)
        } catch SpoolError.full {
            return
        } catch SpoolError.stale {
            guard spool.environmentID != environment else { throw SpoolError.stale }
            return
        }
        bodies.append(body)
        model.ledger.add(body.events, .received)
        model.ledger.add(body.events, .spooled)
        for chunk in chunks { model.insert(chunk, createdMs: now) }
        try evictAsNeeded()
    }

    /// Takes over what the bound made go.
    private mutating func evictAsNeeded() throws {
        if spool.books.ledger.total(.discarded) != model.ledger.total(.discarded) {
            try model.evict(keeping: Set(try SpoolModel.seeds(in: spool)))
        }
    }

    /// A row to send again is stored even where the bound has no room for it; housekeeping makes some afterwards.
    private func isAboveBound() throws -> Bool {
        try spool.withStore { store throws(SpoolError) in
            let counts = try store.pageCounts()
            return store.space.filesOnDisk(pages: counts.all - counts.free) > store.space.bound
        }
    }

    private mutating func repeatBody() throws {
        guard let body = bodies.randomElement(using: &random) else { return }
        guard spool.recall(body.digest) == body.events else {
            throw SpoolModel.Mismatch(what: "a body is not recalled")
        }
        try spool.append(chunks: [], body: body) { batch in
            batch.ledger.add(body.events, .received)
            batch.ledger.add(body.events, .duplicate)
        }
        model.ledger.add(body.events, .received)
        model.ledger.add(body.events, .duplicate)
    }

    private mutating func claim() throws {
        let orders: [ClaimOrder] = [.shutdown, .untriedFirst, .oldestFirst, .oldestFirst]
        let order = orders[Int.random(in: orders.indices, using: &random)]
        let bytes = Int.random(in: 1...2_000_000, using: &random)
        let count = Int.random(in: 1...12, using: &random)
        let expected = model.claim(order, maximumBytes: bytes, maximumChunks: count, nowMs: now)
        let claimed = try spool.claim(order, maximumBytes: bytes, maximumChunks: count, nowMs: now)
        guard claimed.map(\.chunk.idsDigest) == expected else {
            throw SpoolModel.Mismatch(what: "claimed \(claimed.map(\.chunk.idsDigest)), model \(expected)")
        }
        for index in model.rows.indices where expected.contains(model.rows[index].seed) {
            model.rows[index].isClaimed = true
        }
        if !claimed.isEmpty { flights.append(claimed) }
    }

    private mutating func settle(_ flight: Flight) throws {
        var settlement = Settlement()
        var sources: [(chunk: Int64, events: Int)] = []
        var attempts = 0
        for stored in flight {
            let events = stored.chunk.events
            let requeued = Bool.random(using: &random) ? 0 : Int.random(in: 0...events, using: &random)
            let rejected = Bool.random(using: &random) ? 0 : Int.random(in: 0...(events - requeued), using: &random)
            settlement.chunks.append(
                ChunkSettlement(
                    id: stored.id, delivered: events - requeued - rejected,
                    rejected: (0..<rejected).map { _ in Fixtures.reject() }, requeued: requeued))
            if requeued > 0 { sources.append((stored.id, requeued)) }
            attempts = max(attempts, stored.attempts)
        }
        var requeuedChunk: Chunk?
        if !sources.isEmpty {
            var chunk = chunk()
            chunk.events = sources.reduce(0) { $0 + $1.events }
            requeuedChunk = chunk
            settlement.requeued = [
                RequeuedRow(
                    chunk: chunk, createdMs: flight.map(\.createdMs).min() ?? 0, attempts: attempts + 1,
                    retryAtMs: now + Int64.random(in: -100...2000, using: &random), sources: sources)
            ]
        }
        let present = Set(model.rows.map(\.seed))
        let gone = flight.filter { !present.contains($0.chunk.idsDigest) }.map(\.id)
        let result = try spool.settle(settlement)
        let conflicting = settlement.chunks.filter { gone.contains($0.id) && $0.requeued > 0 }.map(\.id)
        guard conflicting.isEmpty else {
            guard result == .conflict(gone: conflicting) else {
                throw SpoolModel.Mismatch(what: "\(result), model conflict \(conflicting)")
            }
            return
        }
        var counts = SettledCounts(gone: gone.count)
        for (stored, settled) in zip(flight, settlement.chunks) where !gone.contains(stored.id) {
            counts.chunks += 1
            counts.delivered += settled.delivered
            counts.rejected += settled.rejected.count
            counts.requeued += settled.requeued
            model.remove(seed: stored.chunk.idsDigest)
        }
        model.ledger.add(-(counts.delivered + counts.rejected), .spooled)
        model.ledger.add(counts.delivered, .delivered)
        model.ledger.add(counts.rejected, .rejected, LedgerReason.document)
        if let chunk = requeuedChunk, let row = settlement.requeued.first {
            model.insert(chunk, createdMs: row.createdMs, attempts: row.attempts, retryAtMs: row.retryAtMs)
        }
        guard result == .settled(counts) else { throw SpoolModel.Mismatch(what: "\(result), model \(counts)") }
    }

    private mutating func postpone() throws {
        guard let flight = flights.popLast() else { return }
        var settlement = Settlement()
        let retryAtMs = now + Int64.random(in: 0...1000, using: &random)
        settlement.postponed = flight.map { Postponement(id: $0.id, attempts: $0.attempts + 1, retryAtMs: retryAtMs) }
        _ = try spool.settle(settlement)
        for stored in flight {
            guard let index = model.rows.firstIndex(where: { $0.seed == stored.chunk.idsDigest }) else { continue }
            model.rows[index].attempts += 1
            model.rows[index].retryAtMs = retryAtMs
            model.rows[index].isClaimed = false
        }
    }

    private mutating func release() {
        spool.releaseAll()
        model.releaseAll()
        stale += flights
        flights = []
    }

    private mutating func reopen(_ path: String) throws {
        flights = []
        stale = []
        model.releaseAll()
        self.path = path
        spool = Spool(directory: path, options: world.options(maximumBytes: 4 << 20))
        try spool.opened()
    }

    private mutating func crash() throws {
        let copy = directory.path + "/crash-\(step)"
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        try reopen(copy)
    }

    /// Overwrites pages of the database, as a crash would leave it.
    private mutating func damage() throws {
        try spool.withStore { store throws(SpoolError) in try store.checkpoint() }
        // Evidence of an earlier one takes room that the model does not know of.
        let copy = directory.path + "/damage-\(step)"
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        unlink(copy + "/spool.db-wal")
        let pages = directory.size(copy + "/spool.db") / 4096
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let page = Int.random(in: 1..<max(2, pages), using: &random)
            let length = Bool.random(using: &random) ? 4096 : 64
            var bytes = [UInt8](repeating: 0, count: length)
            for index in bytes.indices { bytes[index] = UInt8.random(in: 0...255, using: &random) }
            try directory.overwrite(copy + "/spool.db", at: page * 4096, with: bytes)
        }
        try reopen(copy)
        try recover()
    }

    /// Looks at everything until nothing is unreadable any more, and takes over what is left.
    private mutating func recover() throws {
        var quiet = 0
        var tries = 0
        while quiet < 3 {
            tries += 1
            if tries > 2000 { throw SpoolModel.Mismatch(what: "never readable again") }
            if spool.maintain(nowMs: now).hasMore {
                quiet = 0
                continue
            }
            do {
                _ = try spool.claimAll(.shutdown)
                spool.releaseAll()
                _ = try SpoolModel.seeds(in: spool)
                quiet += 1
            } catch SpoolError.corrupt {
                quiet = 0
            }
        }
        try adopt()
        environment = spool.environmentID
        flights = []
        stale = []
        model.releaseAll()
    }

    /// After damage: what is left must be a part of what was, and the books must say so.
    private mutating func adopt() throws {
        let left = try SpoolModel.seeds(in: spool)
        guard Set(left).count == left.count else { throw SpoolModel.Mismatch(what: "a chunk came back twice") }
        let known = Dictionary(model.rows.map { ($0.seed, $0) }) { first, _ in first }
        guard left.allSatisfy({ known[$0] != nil }) else { throw SpoolModel.Mismatch(what: "an unknown chunk") }
        let books = spool.books
        guard books.ledger.imbalance == 0 else { throw SpoolModel.Mismatch(what: "imbalance after damage") }
        let events = left.reduce(0) { $0 + (known[$1]?.events ?? 0) }
        guard books.ledger.total(.spooled) == events else {
            throw SpoolModel.Mismatch(what: "spooled \(books.ledger.total(.spooled)), rows hold \(events)")
        }
        if !books.unknownLosses, books.ledger.total(.received) != model.ledger.total(.received) {
            throw SpoolModel.Mismatch(what: "received changed")
        }
        // Rows keep their order, so the survivors keep theirs.
        model.rows.removeAll { !left.contains($0.seed) }
        model.ledger = books.ledger
        bodies.removeAll { [spool] in spool.recall($0.digest) == nil }
    }

    private func compareRows() throws {
        let seeds = try SpoolModel.seeds(in: spool)
        guard seeds == model.rows.sorted(by: { $0.order < $1.order }).map(\.seed) else {
            throw SpoolModel.Mismatch(what: "rows \(seeds), model \(model.rows.map(\.seed))")
        }
    }
}
