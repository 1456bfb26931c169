#if CRASH_POINTS
import Glibc
#endif

/// The named instructions at which the crash tests kill the real binary.
///
/// In a build with `-D CRASH_POINTS`, `PERMAFROST_CRASH_AT=<name>[:n]` makes the n-th passage (from 1) a SIGKILL of the
/// process. In every other build a call compiles to nothing.
package enum CrashPoint: String, CaseIterable, Sendable {
    case bodyReceived = "body-received"
    case batchEncoded = "batch-encoded"
    case appendBegun = "append-begun"
    case appendBeforeCommit = "append-before-commit"
    case appendAfterCommit = "append-after-commit"
    case acknowledgementBefore = "acknowledgement-before"
    case acknowledgementAfter = "acknowledgement-after"
    case claimed = "claimed"
    case requestStarted = "request-started"
    case answerReceived = "answer-received"
    case settleBegun = "settle-begun"
    case settleBeforeCommit = "settle-before-commit"
    case settleAfterCommit = "settle-after-commit"
    case evictBeforeCommit = "evict-before-commit"
    case evictAfterCommit = "evict-after-commit"
    case checkpointBefore = "checkpoint-before"
    case checkpointAfter = "checkpoint-after"
    case shrinkBefore = "shrink-before"
    case shrinkAfter = "shrink-after"
    case relocateCopied = "relocate-copied"
    case relocateRenamed = "relocate-renamed"
    case quarantineHalfRenamed = "quarantine-half-renamed"
    case quarantineRenamed = "quarantine-renamed"
    case environmentEstablished = "environment-established"
    case metricsPushed = "metrics-pushed"
    case drainBegun = "drain-begun"
    case drainEnded = "drain-ended"

    @inline(__always)
    package static func reach(_ point: CrashPoint) {
        #if CRASH_POINTS
        CrashSchedule.passed(point)
        #endif
    }
}

#if CRASH_POINTS
import Synchronization

private enum CrashSchedule {
    private static let target: (name: String, passage: Int)? = {
        guard let value = getenv("PERMAFROST_CRASH_AT") else { return nil }
        let parts = String(cString: value).split(separator: ":")
        guard let name = parts.first else { return nil }
        return (String(name), parts.count > 1 ? Int(parts[1]) ?? 1 : 1)
    }()
    private static let passages = Atomic<Int>(0)

    static func passed(_ point: CrashPoint) {
        guard let target, target.name == point.rawValue else { return }
        if passages.add(1, ordering: .relaxed).newValue == target.passage { kill(getpid(), SIGKILL) }
    }
}
#endif
