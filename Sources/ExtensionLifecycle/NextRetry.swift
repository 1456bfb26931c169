/// How long to wait after a `next` that failed: the loop goes on for ever, for an exit of ours would fail somebody's
/// invocation.
package struct NextRetry: Sendable {
    private var failures = 0

    package init() {}

    package mutating func succeeded() {
        failures = 0
    }

    /// 100 ms, doubled up to 10 s.
    package mutating func waitAfterFailure() -> Duration {
        defer { failures = min(failures + 1, 7) }
        return min(.milliseconds(100 << failures), .seconds(10))
    }
}
