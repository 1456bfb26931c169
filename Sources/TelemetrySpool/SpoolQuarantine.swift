import Glibc
import TelemetryModel

// What SQLite calls CORRUPT or NOTADB is renamed aside, and a fresh database takes its place at once. What exists once
// (books, metric state, held parts) is carried over in the transaction that makes the fresh tables, so a kill in between
// repeats the whole or nothing of it. The rows of the queue follow in slices, see Salvage.
//
// The file aside is called quarantine.db while it is salvaged and corrupt.db afterwards, when it is only evidence: it
// counts in the spool's bound and is the first to go. There is at most one.

enum QuarantineFiles {
    static func salvaging(_ directory: String) -> String { directory + "/quarantine.db" }
    static func evidence(_ directory: String) -> String { directory + "/corrupt.db" }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0
    }

    static func bytes(_ path: String) -> Int {
        ["", "-wal"].reduce(0) { sum, suffix in
            var status = stat()
            return sum + (stat(path + suffix, &status) == 0 ? Int(status.st_size) : 0)
        }
    }

    static func remove(_ path: String) {
        for suffix in ["", "-wal", "-journal"] { unlink(path + suffix) }
    }

    /// The WAL goes first: without its database it is nothing, but a database without it would be older than it was.
    static func move(_ path: String, to target: String) {
        remove(target)
        rename(path + "-wal", target + "-wal")
        rename(path, target)
    }
}

/// What exists once in a spool and goes on into its successor.
struct Inheritance {
    var row: EnvironmentRow?
    /// Nil when it could not be read.
    var ledger: Ledger?
    var heldParts: [HeldPart] = []
    var bodies: [(slot: Int64, body: LastBody)] = []
    var series: [(instance: String, family: String, requestID: String, sketch: [UInt8])] = []
    var counters: [(instance: String, family: String, label: String, count: Int)] = []
    var carried: [(instance: String, outcome: String, reason: String, events: Int, pushed: Int64)] = []

    /// Reads what can be read: every table for itself, each as far as it goes.
    init(from connection: Connection) {
        row = (try? EnvironmentRow.load(from: connection)) ?? nil
        ledger = try? Ledger.load(from: connection)
        if ledger?.events.isEmpty ?? true, (row?.nextNumber ?? 2) > 1 { ledger = nil }
        heldParts = (try? SpoolStore.loadHeldParts(from: connection)) ?? []
        try? connection.query("SELECT slot, digest, events FROM bodies", during: "salvage") { row in
            if let digest = Digest128(bytes: row.blob(1)) {
                bodies.append((row.integer(0), LastBody(digest: digest, events: row.int(2))))
            }
            return true
        }
        try? connection.query("SELECT instance, family, request_id, sketch FROM series ORDER BY id", during: "salvage")
        {
            series.append(($0.text(0) ?? "", $0.text(1) ?? "", $0.text(2) ?? "", $0.blob(3)))
            return true
        }
        try? connection.query("SELECT instance, family, label, count FROM counters ORDER BY id", during: "salvage") {
            counters.append(($0.text(0) ?? "", $0.text(1) ?? "", $0.text(2) ?? "", $0.int(3)))
            return true
        }
        try? connection.query("SELECT instance, outcome, reason, events, pushed FROM carried", during: "salvage") {
            carried.append(
                ($0.text(0) ?? "", $0.text(1) ?? "", $0.text(2) ?? "", $0.int(3), $0.integer(4)))
            return true
        }
    }

    /// Nothing could be read.
    init() {}

    /// The mirror of a store that was in use equals its tables as of the last commit, whatever has become of them.
    mutating func prefer(_ store: Mirror) {
        row = store.row
        ledger = store.ledger
        heldParts = store.heldParts
        bodies = store.bodies
        series = series.filter { !$0.instance.isEmpty } + store.metrics.series
        counters = counters.filter { !$0.instance.isEmpty } + store.metrics.counters
    }

    struct Mirror {
        let row: EnvironmentRow
        let ledger: Ledger
        let heldParts: [HeldPart]
        let bodies: [(slot: Int64, body: LastBody)]
        let metrics: MetricState.Rows

        init(of store: SpoolStore) {
            row = store.row
            ledger = store.ledger
            heldParts = store.intake.heldParts
            bodies = store.bodies.entries
            metrics = store.metrics.rows
        }
    }

    /// The first content of a fresh database. Called inside the transaction that makes it.
    func save(to connection: Connection, environmentID: EnvironmentID?) throws(SpoolError) {
        // A held record is one event, whatever its parts.
        let heldEvents = heldParts.count
        var next = row ?? EnvironmentRow()
        let former = next.environmentID
        next.environmentID = environmentID
        next.nextChunk += Self.chunksSkipped
        next.total = ChunkSums()
        next.waiting = ChunkSums()
        next.rejectBytes = 0
        next.salvageCursor = 0
        next.unknownLosses = next.unknownLosses || ledger == nil
        // Of an older quarantine that was not finished nothing more will come: its events are lost with this one's.
        next.salvageEvents = ledger.map { max(0, $0.total(.spooled) - heldEvents) } ?? 0
        next.bodies = (bodies.map(\.slot).max() ?? -1) + 1
        if let row, row.bodies >= next.bodies { next.bodies = row.bodies }
        try next.save(to: connection)
        var ledger = ledger ?? Ledger()
        if self.ledger == nil {
            ledger.add(heldEvents, .received)
            ledger.add(heldEvents, .spooled)
        }
        try ledger.add(to: connection)
        for (position, part) in heldParts.enumerated() {
            try SpoolStore.insert(part, position: position, into: connection)
        }
        for (slot, body) in bodies { try BodyRing.save(body, slot: slot, to: connection) }
        try saveMetrics(to: connection, ledger: ledger, former: former?.text)
    }

    /// More than any WAL that lost its end can have used: an answer to a request that is under way must never settle
    /// another row than the one it was sent for.
    private static let chunksSkipped: Int64 = 65_536

    /// Our own series become those of a former instance.
    private func saveMetrics(to connection: Connection, ledger: Ledger, former: String?) throws(SpoolError) {
        for entry in series {
            guard let instance = entry.instance.isEmpty ? former : entry.instance else { continue }
            try connection.run(
                "INSERT OR IGNORE INTO series (instance, family, request_id, sketch) VALUES (?, ?, ?, ?)",
                [.text(instance), .text(entry.family), .text(entry.requestID), .blob(entry.sketch)],
                during: "quarantine")
        }
        for entry in counters {
            guard let instance = entry.instance.isEmpty ? former : entry.instance else { continue }
            try connection.run(
                "INSERT OR IGNORE INTO counters (instance, family, label, count) VALUES (?, ?, ?, ?)",
                [.text(instance), .text(entry.family), .text(entry.label), .integer(entry.count)],
                during: "quarantine")
        }
        var own = ledger
        for entry in carried {
            guard let outcome = LedgerOutcome(rawValue: entry.outcome) else { continue }
            own.add(-entry.events, outcome, entry.reason)
            try SpoolStore.insertCarried(
                instance: entry.instance, entry.outcome, entry.reason, entry.events, pushed: entry.pushed,
                into: connection)
        }
        guard let former else { return }
        // An empty entry makes the instance known even when it counted nothing.
        try SpoolStore.insertCarried(
            instance: former, LedgerOutcome.received.rawValue, "", own[.received, ""], pushed: 0, into: connection)
        for (entry, count) in own.events where entry.outcome != .spooled && entry != LedgerEntry(.received) && count > 0
        {
            try SpoolStore.insertCarried(
                instance: former, entry.outcome.rawValue, entry.reason, count, pushed: 0, into: connection)
        }
    }
}

extension SpoolStore {
    static func insertCarried(
        instance: String, _ outcome: String, _ reason: String, _ events: Int, pushed: Int64,
        into connection: Connection
    ) throws(SpoolError) {
        try connection.run(
            "INSERT OR IGNORE INTO carried VALUES (?, ?, ?, ?, ?)",
            [.text(instance), .text(outcome), .text(reason), .integer(events), .integer(pushed)],
            during: "quarantine")
    }

    /// Deletes what a quarantine left as evidence. False when there is none.
    @discardableResult
    func discardEvidence() -> Bool {
        guard space.quarantined > 0 else { return false }
        QuarantineFiles.remove(QuarantineFiles.evidence(file.directory))
        space.quarantined = 0
        return true
    }
}

extension Spool {
    /// The open spool is not readable any more: its files go aside, and a fresh one is opened in their place.
    func quarantine(_ core: inout SpoolCore) {
        guard let store = core.store else { return }
        let path = store.file.path
        let mirror = Inheritance.Mirror(of: store)
        let isPresent = store.file.presence == .present
        // The files have no name any more that could be changed, so their content is copied. Without room for that the
        // old ones stay in use, and the next look at them tries again.
        if !isPresent, !setAside(store) { return }
        // The connection closes here, without a checkpoint into what is broken.
        core.store = nil
        store.connection.close()
        if isPresent {
            QuarantineFiles.move(path, to: QuarantineFiles.salvaging(directory))
        } else {
            QuarantineFiles.remove(path)
        }
        CrashPoint.reach(.quarantineRenamed)
        _ = open(path, succeeding: mirror, &core)
    }

    private func setAside(_ store: SpoolStore) -> Bool {
        let target = QuarantineFiles.salvaging(directory)
        QuarantineFiles.remove(target)
        try? store.checkpoint()
        guard Self.makeDirectory(directory) == nil, store.file.copyContent(to: target) else {
            QuarantineFiles.remove(target)
            return false
        }
        return true
    }

    /// What a quarantined file gives at once.
    static func inheritance(directory: String, vfs: String?, preferring mirror: Inheritance.Mirror?) -> Inheritance {
        var inheritance = readInheritance(directory: directory, vfs: vfs)
        if let mirror { inheritance.prefer(mirror) }
        return inheritance
    }

    private static func readInheritance(directory: String, vfs: String?) -> Inheritance {
        guard
            let connection = try? Connection(
                path: QuarantineFiles.salvaging(directory), access: .readWrite, vfs: vfs),
            // The index of the WAL in ordinary memory, as when the file was in use.
            (try? connection.run("PRAGMA locking_mode = EXCLUSIVE", during: "salvage")) != nil
        else { return Inheritance() }
        return Inheritance(from: connection)
    }
}
