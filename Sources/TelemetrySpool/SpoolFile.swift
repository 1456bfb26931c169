import CSQLite
import Glibc

/// The database file as the file system knows it, beside the connection: which file it is, and blocks set aside for it.
///
/// The descriptor must be closed after the connection: POSIX drops all of a process's locks on a file with any close of
/// it. https://www.sqlite.org/howtocorrupt.html#posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
final class SpoolFile {
    let path: String
    private let descriptor: Int32
    private let identity: (device: dev_t, inode: ino_t)
    /// Of the WAL, which SQLite makes when it opens the database and keeps open.
    private var walIdentity: (device: dev_t, inode: ino_t)?
    /// Bytes from the start of the file whose blocks exist.
    private var reserved = 0
    private(set) var mark: CommitMark?

    /// Nil when the file at the path cannot be opened.
    init?(path: String) {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            close(descriptor)
            return nil
        }
        self.path = path
        self.descriptor = descriptor
        self.identity = (status.st_dev, status.st_ino)
        self.reserved = Int(status.st_size)
    }

    deinit {
        close(descriptor)
    }

    var directory: String { String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]) }

    var walPath: String { path + "-wal" }

    enum Presence: String {
        case present, deleted, replaced
    }

    /// Whether the paths still lead to the open files. Files that were deleted go on taking commits.
    var presence: Presence {
        let presence = Self.presence(of: identity, at: path)
        guard presence == .present, let walIdentity else { return presence }
        return Self.presence(of: walIdentity, at: walPath)
    }

    private static func presence(of identity: (device: dev_t, inode: ino_t), at path: String) -> Presence {
        var status = stat()
        guard stat(path, &status) == 0 else { return errno == ENOENT || errno == ENOTDIR ? .deleted : .present }
        return status.st_dev == identity.device && status.st_ino == identity.inode ? .present : .replaced
    }

    /// Makes blocks for the first `bytes` bytes without changing the file's size, a MiB at a time. False on a full disk;
    /// true where the file system cannot do it.
    func reserve(bytes: Int) -> Bool {
        guard bytes > reserved else { return true }
        let step = 1 << 20
        for length in [(bytes + step - 1) / step * step, bytes] {
            if permafrost_allocate(descriptor, reserved, length - reserved) == 0 {
                reserved = length
                return true
            }
            guard errno == ENOSPC || errno == EDQUOT else { return true }
        }
        return false
    }

    /// The database's bytes, though it may have no name any more. Its WAL is not in them.
    func copyContent(to target: String) -> Bool { Self.copy(descriptor, to: target) }

    /// A checkpoint cuts the file to its pages, and the blocks behind them are gone.
    func forgetReserve() {
        var status = stat()
        reserved = fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Gives the WAL its first MiB of blocks, so that it can be written on a full disk, and its mark. What lies behind
    /// its frames is zero, which ends the recovery of a WAL as the end of the file would.
    func prepareWAL() {
        mark = CommitMark(database: path)
        let descriptor = open(walPath, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        posix_fallocate(descriptor, 0, off_t(SpoolSchema.walRoom))
        var status = stat()
        if fstat(descriptor, &status) == 0 { walIdentity = (status.st_dev, status.st_ino) }
        close(descriptor)
    }
}
