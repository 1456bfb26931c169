/// The uncompressed size of a bulk request: halved when the back end finds one too large, doubled after ten good ones.
///
/// Below ``floor`` a request has hardly more in it than its own framing, and the way back would be long. A back end that
/// refuses less than that gets one chunk at a time, and halves of a chunk until a single document is left.
package struct RequestSizing: Sendable {
    package static let floor = 64 << 10

    package let maximum: Int
    package private(set) var limit: Int
    /// True after a request at the floor was refused: one chunk at a time.
    package private(set) var isAlone = false
    private var good = 0

    package init(maximum: Int) {
        self.maximum = maximum
        self.limit = maximum
    }

    /// - Parameter size: uncompressed bytes of the refused request. Of several that were on their way together each says
    ///   the same once more: the limit is half of what was refused, not halved for each.
    package mutating func refused(size: Int) {
        good = 0
        let floor = min(Self.floor, maximum)
        if size <= floor { isAlone = true }
        limit = min(limit, max(floor, size / 2))
    }

    package mutating func accepted() {
        guard limit < maximum || isAlone else { return }
        good += 1
        guard good >= 10 else { return }
        good = 0
        if isAlone {
            isAlone = false
        } else {
            limit = min(maximum, limit * 2)
        }
    }
}
