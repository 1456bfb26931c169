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

    /// What cannot be asked for may be there.
    static func exists(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 || (errno != ENOENT && errno != ENOTDIR)
    }

    static func bytes(_ path: String) -> Int {
        ["", "-wal"].reduce(0) { sum, suffix in
            var status = stat()
            return sum + (stat(path + suffix, &status) == 0 ? Int(status.st_size) : 0)
        }
    }

    static func remove(_ path: String) {
        for suffix in ["-mark", "", "-wal", "-journal"] { unlink(path + suffix) }
    }

    /// The WAL goes first and its database last, so that ``finishMove(_:to:)`` can tell what a kill has left. False: the
    /// file system refuses.
    @discardableResult
    static func move(_ path: String, to target: String) -> Bool {
        remove(target)
        for suffix in ["-wal", "-mark", ""] {
            if rename(path + suffix, target + suffix) != 0, errno != ENOENT { return false }
            if suffix == "-wal" { CrashPoint.reach(.quarantineHalfRenamed) }
        }
        return true
    }

    /// Before an open: finishes a move that ended with the process. Else a database would be opened without its WAL,
    /// older than it was, and that WAL would wait for another one.
    static func finishMove(_ path: String, to target: String) {
        guard exists(target + "-wal"), !exists(target), exists(path) else { return }
        if exists(path + "-wal") {
            // All of it is in its place: what lies there is what a removal has left.
            remove(target)
        } else {
            for suffix in ["-mark", ""] { rename(path + suffix, target + suffix) }
        }
    }
}

/// What exists once in a spool and goes on into its successor.
struct Inheritance {
    var row: EnvironmentRow?
    /// Nil when it could not be read.
    var ledger: Ledger?
    var heldParts: [HeldPart] = []
    var bodies: [(slot: Int64, body: LastBody)] = []
    var metrics = MetricState()
    var former: [FormerInstance] = []
    var hasLostCommits = false

    /// The mirror of a store that was in use equals its tables as of the last commit, whatever has become of them.
    init(of store: SpoolStore) {
        row = store.row
        ledger = store.ledger
        heldParts = store.intake.heldParts
        bodies = store.bodies.entries
        metrics = store.metrics
        former = store.former
    }

    /// Reads the quarantined database: every table for itself, each as far as it is readable. Throws what a later try
    /// may not meet, and never ``SpoolError/corrupt``.
    init(directory: String, vfs: String?) throws(SpoolError) {
        let path = QuarantineFiles.salvaging(directory)
        hasLostCommits = WALInspection.hasLostCommits(database: path)
        let connection = try Connection(path: path, access: .readWrite, vfs: vfs)
        // The index of the WAL in ordinary memory, as when the file was in use.
        try asFarAsReadable { () throws(SpoolError) in
            try connection.run("PRAGMA locking_mode = EXCLUSIVE", during: "salvage")
        }
        try asFarAsReadable { () throws(SpoolError) in row = try EnvironmentRow.load(from: connection) }
        try asFarAsReadable { () throws(SpoolError) in ledger = try Ledger.load(from: connection) }
        if ledger?.events.isEmpty ?? true, (row?.nextNumber ?? 2) > 1 { ledger = nil }
        try asFarAsReadable { () throws(SpoolError) in
            heldParts = try SpoolStore.loadHeldParts(from: connection)
        }
        try asFarAsReadable { () throws(SpoolError) in
            try connection.query("SELECT slot, digest, events FROM bodies", during: "salvage") { row in
                if let digest = Digest128(bytes: row.blob(1)) {
                    bodies.append((row.integer(0), LastBody(digest: digest, events: row.int(2))))
                }
                return true
            }
        }
        try asFarAsReadable { () throws(SpoolError) in try metrics.load(instance: "", from: connection) }
        try asFarAsReadable { () throws(SpoolError) in
            try FormerInstance.load(from: connection) { former.append($0) }
        }
        for index in former.indices where !former[index].isPushed {
            try asFarAsReadable { () throws(SpoolError) in
                try former[index].metrics.load(instance: former[index].instance, from: connection)
            }
        }
    }

    /// The first content of a fresh database. Called inside the transaction that makes it.
    func save(to connection: Connection, environmentID: EnvironmentID?) throws(SpoolError) {
        // A held record is one event, whatever its parts.
        let heldEvents = heldParts.count
        var next = row ?? EnvironmentRow()
        let instance = next.environmentID
        next.environmentID = environmentID
        next.nextChunk += Self.chunksSkipped
        next.total = ChunkSums()
        next.waiting = ChunkSums()
        next.rejectBytes = 0
        next.salvageCursor = 0
        next.unknownLosses = next.unknownLosses || ledger == nil || hasLostCommits
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
        try saveMetrics(to: connection, ledger: ledger, instance: instance?.text)
    }

    /// More than any WAL that lost its end can have used: an answer to a request that is under way must never settle
    /// another row than the one it was sent for.
    private static let chunksSkipped: Int64 = 65_536

    /// Groups of former instances that are kept until they are pushed; of older ones only what they counted.
    private static let formerGroups = 8

    /// Our own series become those of a former instance.
    private func saveMetrics(to connection: Connection, ledger: Ledger, instance: String?) throws(SpoolError) {
        var former = former
        if let instance {
            var own = FormerInstance(instance: instance, metrics: metrics)
            own.ledger = ledger
            for earlier in former { own.ledger.subtract(earlier.ledger) }
            former.append(own)
        }
        let waiting = former.indices.filter { !former[$0].isPushed }
        for index in waiting.dropLast(Self.formerGroups) {
            former[index].isPushed = true
            former[index].metrics = MetricState()
        }
        for instance in former { try instance.save(to: connection) }
    }
}

extension SpoolStore {
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
        let isPresent = store.file.presence == .present
        // The files have no name any more that could be changed, so their content is copied. Without room for that the
        // old ones stay in use, and the next look at them tries again.
        if !isPresent, !setAside(store) { return }
        core.inheritance = Inheritance(of: store)
        // The connection closes here, without a checkpoint into what is broken.
        core.store = nil
        store.connection.close()
        if isPresent {
            QuarantineFiles.move(path, to: QuarantineFiles.salvaging(directory))
        } else {
            QuarantineFiles.remove(path)
        }
        CrashPoint.reach(.quarantineRenamed)
        _ = open(path, &core)
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
}
