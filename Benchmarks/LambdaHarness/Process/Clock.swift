import Glibc

/// Raw clock readings in nanoseconds.
enum Clock {
    static func monotonic() -> UInt64 { read(CLOCK_MONOTONIC) }

    /// CPU time of the calling thread.
    static func threadCPU() -> UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }

    /// User and system time of all threads that a process has had; nil when it is gone.
    static func processCPU(_ pid: pid_t) -> UInt64? {
        var clock: clockid_t = 0
        guard clock_getcpuclockid(pid, &clock) == 0 else { return nil }
        var time = timespec()
        guard clock_gettime(clock, &time) == 0 else { return nil }
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension UInt64 {
    var nanosecondsAsMilliseconds: Double { Double(self) / 1e6 }
    var nanosecondsAsSeconds: Double { Double(self) / 1e9 }
}
