import LambdaSimulator
import Testing

/// Waits until `condition` holds; a deadline that passes first is a failure of the test. Under a sanitizer everything
/// takes several times as long.
@discardableResult
func eventually(
    _ what: Comment, within limit: Duration = .seconds(15), sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () throws -> Bool
) rethrows -> Bool {
    let deadline = ContinuousClock.now + (Binary.isSanitized ? limit * 4 : limit)
    while true {
        if try condition() { return true }
        guard ContinuousClock.now < deadline else {
            Issue.record("within \(limit): \(what)", sourceLocation: sourceLocation)
            return false
        }
        pause(.milliseconds(5))
    }
}
