import Foundation
import Testing

/// The executables under test.
enum Binary {
    /// `PERMAFROST_BINARY`: the static one; else the debug build beside the tests.
    static let permafrost: String = {
        if let path = environment("PERMAFROST_BINARY") { return path }
        let tests = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        return tests.deletingLastPathComponent().appending(path: "permafrost").path
    }()

    /// `PERMAFROST_CRASH_BINARY`: built with `CRASH_POINTS`.
    static let crashing = environment("PERMAFROST_CRASH_BINARY")
    static let crashingReason: Comment = "needs PERMAFROST_CRASH_BINARY, which layer/build --crash-points makes"

    /// Of the sanitizers, for the binary beside tests that were built with one: what it finds goes where they say.
    static let sanitizerOptions = ["TSAN_OPTIONS", "ASAN_OPTIONS"]
    /// Then its memory and its milliseconds are the sanitizer's.
    static let isSanitized = sanitizerOptions.contains { environment($0) != nil }

    /// How often the schedules of kills are run: `PERMAFROST_ROUNDS`.
    static let rounds = environment("PERMAFROST_ROUNDS").flatMap { Int($0) } ?? 60
    /// Of the random schedules; printed when one fails. `PERMAFROST_SEED` repeats it.
    static let seed = environment("PERMAFROST_SEED").flatMap { UInt64($0) } ?? UInt64.random(in: 1...999_999)

    static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}
