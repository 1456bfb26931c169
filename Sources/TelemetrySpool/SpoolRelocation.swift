import CSQLite
import Glibc
import TelemetryModel

// Functions empty /tmp, and an open database does not notice: its commits go into files that end with the process.

extension Spool {
    /// Compares the spool's paths with its open files; when they are gone or others, everything is copied into a new
    /// file, the environment id included. Call it at every INVOKE. Appends and housekeeping call it themselves, at most
    /// every 100 ms.
    ///
    /// - Parameter nowMs: wall clock. When the copy fails, on a full disk say, the old files go on being used, and the
    ///   next try is a second later.
    package func verifyFile(nowMs: Int64) {
        try? withCore { core in self.verifyFile(&core, nowMs: nowMs) }
    }

    func verifyFileWhenDue(nowMs: Int64) {
        let time = options.monotonicMs()
        try? withCore { core in
            if let verified = core.verifiedMs, time - verified < 100 { return }
            self.verifyFile(&core, nowMs: nowMs)
        }
    }

    private func verifyFile(_ core: inout SpoolCore, nowMs: Int64) {
        core.verifiedMs = options.monotonicMs()
        guard let store = core.store else { return }
        let presence = store.file.presence
        guard presence != .present || store.isSalvageGone else { return }
        if let failed = core.relocationFailedMs, abs(nowMs - failed) < 1000 { return }
        do throws(SpoolError) {
            if presence != .present {
                try store.relocate(directory: directory)
                store.notices.append(Notice(.warning, "spool_relocated", [(name: "cause", value: presence.rawValue)]))
            }
            if store.isSalvageGone { try store.restoreSalvage() }
            core.relocationFailedMs = nil
        } catch {
            core.relocationFailedMs = nowMs
            // Nothing can be copied as it is: what is readable goes on in a fresh file.
            if error == .corrupt {
                quarantine(&core)
                // That file may be deleted as well.
                if core.store !== store { core.relocationFailedMs = nil }
                return
            }
            store.notices.append(
                Notice(
                    .error, "spool_relocation_failed",
                    [(name: "cause", value: presence.rawValue), (name: "error", value: error.description)]))
        }
    }

    /// Suffixes of a copy that is being made, and of one that is complete: the latter wins over whatever is in its place.
    static let partSuffix = "-part"
    static let copiedSuffix = "-copied"

    /// Before an open: finishes a relocation that ended with the process.
    static func finishRelocation(to path: String) {
        unlink(path + partSuffix)
        var status = stat()
        guard stat(path + copiedSuffix, &status) == 0 else { return }
        // A WAL that lies there belongs to the file that was there before.
        unlink(CommitMark.path(of: path))
        unlink(path + "-wal")
        rename(path + copiedSuffix, path)
    }
}

extension SpoolStore {
    /// Copies the database as of now, what lies in its WAL included, and goes on with the copy.
    func relocate(directory: String) throws(SpoolError) {
        if Spool.makeDirectory(directory) != nil { throw .io(code: Int32(errno), during: "relocate") }
        let path = file.path
        let part = path + Spool.partSuffix
        unlink(part)
        do throws(SpoolError) {
            // The copy keeps application_id, user_version and auto_vacuum. https://www.sqlite.org/lang_vacuum.html
            try connection.run("VACUUM INTO ?", [.text(part)], during: "relocate")
        } catch {
            unlink(part)
            throw error
        }
        guard rename(part, path + Spool.copiedSuffix) == 0 else {
            throw .io(code: Int32(errno), during: "relocate")
        }
        CrashPoint.reach(.relocateCopied)
        Spool.finishRelocation(to: path)
        CrashPoint.reach(.relocateRenamed)
        let (connection, file) = try Self.connect(copy: path, vfs: options.vfs)
        // The old connection closes before its file does, which would drop its locks.
        self.connection = connection
        self.file = file
        space.reopened()
    }

    /// Opens the copy, if that is what lies there: between the renames the function may have deleted it, and an empty
    /// database in its place would take what comes next while the old one, which has everything, was dropped.
    private static func connect(copy path: String, vfs: String?) throws(SpoolError) -> (Connection, SpoolFile) {
        do throws(SpoolError) {
            let opened = try Spool.connect(path: path, vfs: vfs)
            guard try EnvironmentRow.load(from: opened.0) != nil else { throw .corrupt }
            return opened
        } catch {
            // What is unreadable is not the open database.
            throw error.isUnreadable ? .io(code: SQLITE_CANTOPEN, during: "relocate") : error
        }
    }

    /// What is being salvaged has no name any more: it is read on, but would end with the process.
    var isSalvageGone: Bool { salvage.map { $0.file.presence != .present } ?? false }

    /// Puts the quarantined file back.
    func restoreSalvage() throws(SpoolError) {
        guard let salvage else { return }
        try salvage.restore()
        self.salvage = nil
        openSalvage()
    }
}
