import Glibc

/// How far the WAL has been committed, in a file of 24 bytes beside it, written after each COMMIT and before anybody
/// hears of it.
///
/// SQLite ends the recovery of a WAL at the first frame that does not fit and says nothing. The WAL alone cannot tell
/// why: a commit that a full disk or a kill cut in two leaves frames that do not fit, and so does a bad byte in one that
/// was acknowledged. A mark that lags behind, or is missing, makes a loss go unseen; none is ever seen that was not.
final class CommitMark {
    struct Content {
        /// The two salts of the WAL's header, which every restart of the WAL changes.
        var salts: UInt64
        /// From the start of the WAL; 0 when all of it has been copied into the database.
        var frames: Int
    }

    private let descriptor: Int32
    private let walPath: String
    /// Of the WAL as it is; nil when it may have started again.
    private var salts: UInt64?

    static func path(of database: String) -> String { database + "-mark" }

    /// Nil when there can be no such file, on a full disk for example.
    init?(database path: String) {
        let descriptor = open(Self.path(of: path), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
        self.walPath = path + "-wal"
    }

    deinit {
        close(descriptor)
    }

    /// - Parameter frames: in the WAL since it started.
    func committed(frames: Int) {
        if salts == nil { salts = WALInspection.salts(path: walPath) }
        guard let salts else { return }
        let words = [salts, UInt64(frames), Self.check(salts, UInt64(frames))]
        _ = words.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }

    /// The WAL is in the database; the next commit starts it again.
    func checkpointed() {
        committed(frames: 0)
        salts = nil
    }

    fileprivate static func check(_ salts: UInt64, _ frames: UInt64) -> UInt64 {
        ~(salts ^ frames &* 0x9e37_79b9_7f4a_7c15)
    }
}

extension CommitMark.Content {
    /// The mark of a database, nil without one.
    init?(of database: String) {
        guard let bytes = SpoolFile.head(of: CommitMark.path(of: database), count: 24) else { return nil }
        let words = bytes.withUnsafeBytes { bytes in
            [0, 8, 16].map { bytes.loadUnaligned(fromByteOffset: $0, as: UInt64.self) }
        }
        guard words[2] == CommitMark.check(words[0], words[1]) else { return nil }
        self.init(salts: words[0], frames: Int(clamping: words[1]))
    }
}
