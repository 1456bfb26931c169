import Synchronization

/// What a simulated back end does wrong.
package enum FaultKind: Equatable, Sendable {
    /// The whole request is answered so, and nothing is stored.
    case status(Int, headers: [String: String] = [:], body: String = "", contentType: String? = nil)
    /// Every matching item is answered so (OpenSearch only); its document is not stored.
    case item(status: Int, type: String, reason: String = "simulated")
    /// Served, but the answer waits.
    case delay(Duration)
    /// Read, not served, never answered.
    case hang
    /// Served; half of the answer goes out and nothing more, the connection stays open.
    case halfAnswerThenHang
    /// Served; half of the answer goes out, then the connection is closed.
    case halfAnswerThenClose
    /// The connection is closed without an answer and nothing is stored.
    case closeWithoutAnswer
    /// Served, and the connection is reset before the answer.
    case lostAnswer
    /// The last n items are neither stored nor answered (OpenSearch only).
    case fewerItems(Int)
    /// The whole loop stands still so long: new connections are not accepted either.
    case stall(Duration)
}

/// A fault and when it strikes.
package struct Fault: Equatable, Sendable {
    package var kind: FaultKind
    /// Requests whose path begins so; nil: pushes and bulk requests only.
    package var path: String?
    package var method: String?
    /// For item faults: only items of this index.
    package var index: String?
    /// Lets this many matching requests (or items) pass first.
    package var after: Int
    /// Then strikes every n-th, beginning with the first.
    package var every: Int
    /// And stops after so many strikes; nil: never.
    package var count: Int?

    package init(
        _ kind: FaultKind, path: String? = nil, method: String? = nil, index: String? = nil, after: Int = 0,
        every: Int = 1, count: Int? = nil
    ) {
        self.kind = kind
        self.path = path
        self.method = method
        self.index = index
        self.after = after
        self.every = max(1, every)
        self.count = count
    }
}

/// The faults of one simulated back end: may be changed at any time, from any thread.
package final class FaultPlan: Sendable {
    private struct Entry {
        var fault: Fault
        var seen = 0
        var struck = 0

        mutating func strikes() -> Bool {
            seen += 1
            guard seen > fault.after, (seen - fault.after - 1) % fault.every == 0 else { return false }
            if let count = fault.count, struck >= count { return false }
            struck += 1
            return true
        }
    }

    private let entries = Mutex<[Entry]>([])

    package init(_ faults: [Fault] = []) {
        set(faults)
    }

    /// Replaces the plan; counting starts anew.
    package func set(_ faults: [Fault]) { entries.withLock { $0 = faults.map { Entry(fault: $0) } } }

    package func add(_ fault: Fault) { entries.withLock { $0.append(Entry(fault: fault)) } }

    package func clear() { set([]) }

    package var faults: [Fault] { entries.withLock { $0.map(\.fault) } }

    /// Strikes of all faults so far.
    package var strikes: Int { entries.withLock { $0.reduce(0) { $0 + $1.struck } } }

    /// Nil when nothing is planned: the common case costs one look.
    package var isEmpty: Bool { entries.withLock { $0.isEmpty } }

    /// What happens to this request as a whole. `isDefaultTarget`: a push or a bulk request.
    package func requestFault(method: String, path: String, isDefaultTarget: Bool) -> FaultKind? {
        entries.withLock { entries in
            for index in entries.indices {
                let fault = entries[index].fault
                if case .item = fault.kind { continue }
                guard fault.path.map({ path.hasPrefix($0) }) ?? isDefaultTarget,
                    fault.method.map({ $0 == method }) ?? true
                else { continue }
                if entries[index].strikes() { return fault.kind }
            }
            return nil
        }
    }

    /// What happens to one item.
    package func itemFault(index name: String) -> FaultKind? {
        entries.withLock { entries in
            for index in entries.indices {
                let fault = entries[index].fault
                guard case .item = fault.kind, fault.index.map({ $0 == name }) ?? true else { continue }
                if entries[index].strikes() { return fault.kind }
            }
            return nil
        }
    }
}
