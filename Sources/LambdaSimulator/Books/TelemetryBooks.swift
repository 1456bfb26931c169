import Synchronization

/// What a publisher did with its events: kept by the platform's side, so that it can testify against an extension.
package final class TelemetryBooks: Sendable {
    package struct Entries: Sendable {
        /// Every event that went into a queue, with how often (a snapshot's events go out from every copy).
        package var offered: [EventKey: Int] = [:]
        /// Events whose every part got a 200.
        package var acknowledged: Set<EventKey> = []
        /// Array elements, parts and repetitions included, in bodies that got a 200.
        package var acknowledgedElements = 0
        /// Array elements in bodies that were sent in full and whose answer was lost on purpose.
        package var elementsWithLostAnswer = 0
        package var dropped: Set<EventKey> = []
        package var droppedBytes = 0
        package var posts = 0
        package var acknowledgedPosts = 0
        /// Bodies that went out again, after a lost answer or on demand.
        package var redeliveries = 0
        package var acknowledgedBodyBytes = 0
        /// Answers other than 2xx by status.
        package var refusals: [Int: Int] = [:]
        /// POSTs that ended without an answer.
        package var failures = 0
        /// Seconds from the first byte sent to the head of the 200, in order.
        package var latencies: [Double] = []
        var parts: [EventKey: Set<Int>] = [:]
    }

    private let entries = Mutex(Entries())

    package init() {}

    package var snapshot: Entries { entries.withLock { $0 } }

    package var acknowledged: Set<EventKey> { entries.withLock { $0.acknowledged } }
    package var acknowledgedCount: Int { entries.withLock { $0.acknowledged.count } }
    package var offeredCount: Int { entries.withLock { $0.offered.count } }
    package var droppedCount: Int { entries.withLock { $0.dropped.count } }

    func offer(_ key: EventKey) { entries.withLock { $0.offered[key, default: 0] += 1 } }

    func drop(_ key: EventKey, bytes: Int) {
        entries.withLock { entries in
            entries.dropped.insert(key)
            entries.droppedBytes += bytes
        }
    }

    func post(isRedelivery: Bool) {
        entries.withLock { entries in
            entries.posts += 1
            if isRedelivery { entries.redeliveries += 1 }
        }
    }

    func acknowledge(_ elements: [TelemetryElement], bodyBytes: Int, seconds: Double) {
        entries.withLock { entries in
            entries.acknowledgedPosts += 1
            entries.acknowledgedElements += elements.count
            entries.acknowledgedBodyBytes += bodyBytes
            entries.latencies.append(seconds)
            for element in elements {
                if element.parts == 1 {
                    entries.acknowledged.insert(element.key)
                } else {
                    entries.parts[element.key, default: []].insert(element.part)
                    if entries.parts[element.key]?.count == element.parts {
                        entries.acknowledged.insert(element.key)
                    }
                }
            }
        }
    }

    func loseAnswer(elements: Int) { entries.withLock { $0.elementsWithLostAnswer += elements } }

    func refuse(status: Int) { entries.withLock { $0.refusals[status, default: 0] += 1 } }

    func fail() { entries.withLock { $0.failures += 1 } }
}

package extension TelemetryBooks.Entries {
    /// Nearest rank; nil without a value. `q` in 0…1.
    func latency(_ q: Double) -> Double? {
        guard !latencies.isEmpty else { return nil }
        let sorted = latencies.sorted()
        return sorted[min(sorted.count - 1, max(0, Int((q * Double(sorted.count)).rounded(.up)) - 1))]
    }

    /// The books of several environments as one.
    static func sum(_ all: [TelemetryBooks.Entries]) -> TelemetryBooks.Entries {
        all.reduce(into: TelemetryBooks.Entries()) { sum, one in
            sum.offered.merge(one.offered, uniquingKeysWith: +)
            sum.acknowledged.formUnion(one.acknowledged)
            sum.acknowledgedElements += one.acknowledgedElements
            sum.elementsWithLostAnswer += one.elementsWithLostAnswer
            sum.dropped.formUnion(one.dropped)
            sum.droppedBytes += one.droppedBytes
            sum.posts += one.posts
            sum.acknowledgedPosts += one.acknowledgedPosts
            sum.redeliveries += one.redeliveries
            sum.acknowledgedBodyBytes += one.acknowledgedBodyBytes
            sum.refusals.merge(one.refusals, uniquingKeysWith: +)
            sum.failures += one.failures
            sum.latencies += one.latencies
        }
    }
}
