import JSON
import TelemetryModel

/// A body's elements and its digests, known before anything is made of it.
struct BodyScan {
    /// Elements kept; of a body of more, the others are split again when their turn comes. The platform sends at most
    /// 10,000 events in a body.
    private static let bound = 10_240

    let splitter: BodySplitter
    /// The first elements.
    private(set) var elements: ContiguousArray<BodyElement>
    /// Goes on behind ``elements``.
    private(set) var remainder: BodySplitter
    /// Elements in all.
    private(set) var count = 0
    /// Elements that are readable, and one more if there are others.
    private(set) var events = 0
    /// The digest by which the body's repetition is recognised.
    private(set) var digest = Digest128(high: 0, low: 0)
    /// The digest of the first elements, as many as asked for; nil when there are fewer or they are not whole.
    private(set) var prefixDigest: Digest128?
    /// The body is one part of a cut record: another like it may be another part.
    private(set) var isSinglePart = false

    /// `storage` is emptied and used; take it back from ``elements`` to use it again.
    init(_ splitter: BodySplitter, prefix: Int?, storage: consuming ContiguousArray<BodyElement>) {
        self.splitter = splitter
        var splitter = splitter
        var elements = storage
        elements.removeAll(keepingCapacity: true)
        var chain = BodyDigest()
        var allWhole = true
        var unreadable = 0
        remainder = splitter
        while let element = splitter.next() {
            if elements.count < Self.bound {
                elements.append(element)
                // Only a body of more has any use for it.
                if elements.count == Self.bound { remainder = splitter }
            }
            count += 1
            if element.shape == .unreadable { unreadable += 1 }
            if allWhole, element.shape.isWhole {
                chain.add(Digest128(of: element.whole.of(splitter.bytes)))
                if count == prefix { prefixDigest = chain.value }
            } else {
                allWhole = false
            }
        }
        events = count - unreadable + (unreadable > 0 ? 1 : 0)
        digest = allWhole ? chain.value : BodyDigest(unreadable: splitter.bytes).value
        isSinglePart = count == 1 && elements.first?.mayBePart(splitter.bytes) ?? false
        self.elements = elements
    }

    /// Calls `body` with every element in order, beginning at `start`.
    func forEach(from start: Int, _ body: (BodyElement) -> Void) {
        for index in min(start, elements.count)..<elements.count { body(elements[index]) }
        guard count > elements.count else { return }
        var splitter = remainder
        var index = elements.count
        while let element = splitter.next() {
            if index >= start { body(element) }
            index += 1
        }
    }
}
