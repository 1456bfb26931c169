/// The uncompressed size of a bulk request: halved when the back end finds one too large, doubled after ten good ones.
package struct RequestSizing: Sendable {
    package let maximum: Int
    package private(set) var limit: Int
    private var good = 0

    package init(maximum: Int) {
        self.maximum = maximum
        self.limit = maximum
    }

    /// - Parameter size: uncompressed bytes of the refused request.
    package mutating func refused(size: Int) {
        good = 0
        limit = max(1, min(limit, size) / 2)
    }

    package mutating func accepted() {
        guard limit < maximum else { return }
        good += 1
        if good >= 10 {
            good = 0
            limit = min(maximum, limit * 2)
        }
    }
}
