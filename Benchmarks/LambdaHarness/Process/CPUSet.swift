import Glibc

/// Which cores the calling thread, and what it starts from here on, may run on.
enum CPUSet {
    /// Core 0 is left to clients and back ends.
    static var measuredCore: Int { count > 1 ? 1 : 0 }
    static let clientCore = 0
    static let count = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))

    /// Runs `body` with the calling thread on one core.
    static func pinned<R>(to core: Int, _ body: () throws -> R) rethrows -> R {
        var before = cpu_set_t()
        sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &before)
        var one = cpu_set_t()
        withUnsafeMutableBytes(of: &one) { bits in
            guard core / 8 < bits.count else { return }
            bits[core / 8] = 1 << UInt8(core % 8)
        }
        sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &one)
        defer { sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &before) }
        return try body()
    }
}
