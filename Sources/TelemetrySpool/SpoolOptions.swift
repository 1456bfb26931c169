import Glibc
package import TelemetryModel

/// How a spool is run. Everything has a default but the CRC, which belongs to another module.
package struct SpoolOptions: Sendable {
    /// Bytes of the files on disk, at most. Nil: a quarter of what is free when the spool opens, or what a
    /// predecessor left if that is more, at most 256 MiB.
    package var maximumBytes: Int?
    /// SnapStart: no environment id until ``Spool/establishEnvironment()``.
    package var snapStart = false
    /// gzip's CRC-32, as the chunks carry it.
    package var crc32: @Sendable (UnsafeRawBufferPointer) -> UInt32
    package var notice: NoticeSink
    /// The name of a registered SQLite VFS, nil for the default one.
    package var vfs: String?
    /// Milliseconds since 1970. It may jump after a freeze.
    package var wallClockMs: @Sendable () -> Int64
    /// Milliseconds of a clock that never goes back, from an arbitrary point.
    package var monotonicMs: @Sendable () -> Int64
    /// Free and total bytes of the file system that holds a path, nil when it cannot be asked.
    package var fileSystemSpace: @Sendable (String) -> FileSystemSpace?

    package init(
        maximumBytes: Int? = nil, snapStart: Bool = false,
        crc32: @escaping @Sendable (UnsafeRawBufferPointer) -> UInt32,
        notice: @escaping NoticeSink = { _ in }, vfs: String? = nil
    ) {
        self.maximumBytes = maximumBytes
        self.snapStart = snapStart
        self.crc32 = crc32
        self.notice = notice
        self.vfs = vfs
        self.wallClockMs = { SystemClock.milliseconds(CLOCK_REALTIME) }
        self.monotonicMs = { SystemClock.milliseconds(CLOCK_MONOTONIC) }
        self.fileSystemSpace = FileSystemSpace.init(ofPath:)
    }
}

/// Bytes of a file system.
package struct FileSystemSpace: Equatable, Sendable {
    /// What an unprivileged process may still take.
    package var free: Int
    package var total: Int

    package init(free: Int, total: Int) {
        self.free = free
        self.total = total
    }

    package init?(ofPath path: String) {
        var result = statvfs()
        guard statvfs(path, &result) == 0 else { return nil }
        self.free = Int(clamping: UInt64(result.f_bavail).multipliedClamping(by: UInt64(result.f_frsize)))
        self.total = Int(clamping: UInt64(result.f_blocks).multipliedClamping(by: UInt64(result.f_frsize)))
    }
}

extension UInt64 {
    fileprivate func multipliedClamping(by other: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max : product
    }
}

enum SystemClock {
    static func milliseconds(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        guard clock_gettime(clock, &time) == 0 else { return 0 }
        return Int64(time.tv_sec) &* 1000 &+ Int64(time.tv_nsec) / 1_000_000
    }
}

/// What ``Spool/open()`` found.
package enum SpoolOpening: Equatable, Sendable {
    /// Nothing was there.
    case fresh
    /// A predecessor's spool.
    case resumed
    /// What was there could not be read. It is salvaged by ``Spool/maintain(nowMs:)``.
    case quarantined
    /// Another process still holds the file: try again shortly.
    case waiting
    /// A sentence for an operator. A later try may succeed.
    case failed(String)
}
