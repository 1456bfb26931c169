import CSQLite
import Glibc
import TelemetryModel

extension Spool {
    /// Opens what is there, or makes it. It takes the same time whatever the backlog: nothing is counted or checked, and
    /// what is read is bounded. Never throws the caller out: whatever is wrong, it may be tried again.
    package func open() -> SpoolOpening {
        (try? withCore { core in self.open(&core) }) ?? .failed("The spool could not be opened.")
    }

    private func open(_ core: inout SpoolCore) -> SpoolOpening {
        guard core.store == nil else { return .resumed }
        if let problem = Self.makeDirectory(directory) {
            return .failed(
                "The spool directory cannot be made (\(problem)): set PERMAFROST_SPOOL_DIR to a writable directory.")
        }
        // A file of ours that stood in is used until it is gone: its backlog is nowhere else.
        var free: String?
        for name in Self.fileNames {
            let path = directory + "/" + name
            Self.finishRelocation(to: path)
            if Self.isForeign(path) { continue }
            QuarantineFiles.finishMove(path, to: QuarantineFiles.salvaging(directory))
            if !QuarantineFiles.exists(path) {
                free = free ?? name
            } else if let opening = open(named: name, &core) {
                return opening
            }
        }
        if let free, let opening = open(named: free, &core) { return opening }
        return .failed("Every file name of the spool is taken by what is not ours: remove it.")
    }

    private func open(named name: String, _ core: inout SpoolCore) -> SpoolOpening? {
        guard let opening = open(directory + "/" + name, &core) else { return nil }
        if name != Self.fileNames[0] {
            core.store?.notices.append(Notice(.warning, "spool_name_taken", [(name: "file", value: name)]))
        }
        return opening
    }

    /// The first is the usual one; the others stand in when files we must not touch have it.
    static let fileNames = ["spool.db"] + (1...9).map { "spool-\($0).db" }

    /// Whether a directory, or by what its first page says a readable database of somebody else or of a newer version of
    /// ours, lies at the place of the file: it is left alone.
    private static func isForeign(_ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        if status.st_mode & S_IFMT == S_IFDIR { return true }
        guard let header = SpoolFile.head(of: path, count: 100), header.starts(with: "SQLite format 3\0".utf8)
        else { return false }
        // https://www.sqlite.org/fileformat2.html#the_database_header: user version at 60, application id at 68.
        let version = header[60..<64].reduce(Int64(0)) { $0 << 8 | Int64($1) }
        let application = header[68..<72].reduce(Int64(0)) { $0 << 8 | Int64($1) }
        return SpoolSchema.isForeign(applicationID: application, version: version)
    }

    /// Opens one file; what is broken goes aside first. Nil: the file is somebody else's.
    func open(_ path: String, _ core: inout SpoolCore) -> SpoolOpening? {
        core.opened += 1
        for _ in 0..<2 {
            do throws(SpoolError) {
                guard let opening = try openStore(path: path, &core) else { return nil }
                core.inheritance = nil
                return opening
            } catch {
                switch error {
                case .corrupt:
                    QuarantineFiles.move(path, to: QuarantineFiles.salvaging(directory))
                    CrashPoint.reach(.quarantineRenamed)
                case .busy:
                    return .waiting
                case .full:
                    return .failed("There is no room for the spool on its file system.")
                case .io(let code, _):
                    return .failed(
                        "The spool cannot be opened (SQLite \(code)): set PERMAFROST_SPOOL_DIR to a writable directory."
                    )
                case .notOpen, .stale, .internal:
                    return .failed("The spool cannot be opened (\(error)).")
                }
            }
        }
        return .failed("The spool's file is broken and cannot be renamed: remove it.")
    }

    private func openStore(path: String, _ core: inout SpoolCore) throws(SpoolError) -> SpoolOpening? {
        let connection = try Connection(path: path, access: .readWrite, vfs: options.vfs)
        try SpoolSchema.prepareFile(connection)
        // With this first read the file is ours alone.
        let isOurs =
            try connection.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'environment'", during: "open") == 1
        // Until the first checkpoint these stand in the WAL alone.
        guard
            !SpoolSchema.isForeign(
                applicationID: try connection.integer("PRAGMA application_id", during: "open") ?? 0,
                version: try connection.integer("PRAGMA user_version", during: "open") ?? 0)
        else { return nil }
        if !isOurs, try connection.integer("SELECT count(*) FROM sqlite_schema", during: "open") != 0 {
            if try connection.integer("PRAGMA application_id", during: "open") == SpoolSchema.applicationID {
                throw .corrupt
            }
            return nil
        }
        // SQLite deletes the WAL of an empty database.
        let hasLostCommits =
            isOurs ? WALInspection.hasLostCommits(database: path) : CommitMark.Content(of: path)?.frames ?? 0 > 0
        try SpoolSchema.configure(connection)
        // Until there are tables, whatever became of earlier tries, what was quarantined waits for its successor.
        let isQuarantined = !isOurs && QuarantineFiles.exists(QuarantineFiles.salvaging(directory))
        if !isOurs {
            let inheritance =
                if let inheritance = core.inheritance {
                    inheritance
                } else if isQuarantined {
                    try Inheritance(directory: directory, vfs: options.vfs)
                } else {
                    nil as Inheritance?
                }
            var generator = SystemRandomNumberGenerator()
            try SpoolSchema.create(
                in: connection,
                environmentID: options.snapStart && inheritance?.row?.environmentID == nil
                    ? nil : EnvironmentID(using: &generator),
                inheriting: inheritance, unknownLosses: hasLostCommits)
        }
        let file = try Self.attach(connection, path: path)
        let files = [path, QuarantineFiles.salvaging(directory), QuarantineFiles.evidence(directory)]
            .reduce(0) { $0 + QuarantineFiles.bytes($1) }
        let pages = Int(try connection.integer("PRAGMA page_count", during: "open") ?? 0)
        let taken =
            pages * SpoolSchema.pageSize + SpoolSchema.walRoom
            + QuarantineFiles.bytes(QuarantineFiles.salvaging(directory))
        let store = try SpoolStore(
            connection: connection, file: file, options: options,
            space: SpaceMeter(directory: directory, files: files, taken: taken, options: options),
            revision: core.opened << 32, isNew: !isOurs)
        core.store = store
        if !isOurs { store.committed() }
        if isOurs, hasLostCommits { store.noteLostCommits() }
        store.space.quarantined = QuarantineFiles.bytes(QuarantineFiles.evidence(directory))
        if store.row.salvageCursor == nil { store.keepEvidence() } else { store.openSalvage() }
        if isQuarantined {
            store.notices.append(
                Notice(
                    .error, "spool_quarantined", [(name: "ledger", value: store.row.unknownLosses ? "unknown" : "read")]
                ))
            return .quarantined
        }
        return isOurs ? .resumed : .fresh
    }

    static func connect(path: String, vfs: String?) throws(SpoolError) -> (Connection, SpoolFile) {
        let connection = try Connection(path: path, access: .readWrite, vfs: vfs)
        try SpoolSchema.prepareFile(connection)
        try SpoolSchema.configure(connection)
        return (connection, try attach(connection, path: path))
    }

    private static func attach(_ connection: Connection, path: String) throws(SpoolError) -> SpoolFile {
        // The first read opens the WAL's file; a change of the journal mode alone does not.
        _ = try connection.integer("SELECT count(*) FROM sqlite_schema", during: "open")
        guard let file = SpoolFile(path: path) else { throw .io(code: SQLITE_CANTOPEN, during: "open") }
        file.prepareWAL()
        return file
    }

    /// Makes a directory and its parents, for this user alone. Nil, or what is wrong.
    static func makeDirectory(_ path: String) -> String? {
        if mkdir(path, 0o700) == 0 { return nil }
        let code = errno
        if code == EEXIST {
            var status = stat()
            guard stat(path, &status) == 0 else { return "errno \(errno)" }
            return status.st_mode & S_IFMT == S_IFDIR ? nil : "errno \(ENOTDIR)"
        }
        guard code == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
            return "errno \(code)"
        }
        if let problem = makeDirectory(String(path[..<slash])) { return problem }
        return mkdir(path, 0o700) == 0 || errno == EEXIST ? nil : "errno \(errno)"
    }
}

extension SpoolFile {
    /// The first bytes of a file, nil when there are fewer or it cannot be read. Not for a database that this process has
    /// open: its locks would end with the close.
    static func head(of path: String, count: Int) -> [UInt8]? {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: count)
        let got = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        return got == count ? bytes : nil
    }
}
