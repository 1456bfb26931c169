/// Runs a parsed bulk request against a store and makes the answer.
struct BulkExecution {
    let body: [UInt8]
    let faults: FaultPlan
    private(set) var stored = 0
    private var hasErrors = false

    init(body: [UInt8], faults: FaultPlan) {
        self.body = body
        self.faults = faults
    }

    /// The whole answer, unfiltered.
    mutating func run(_ actions: ArraySlice<BulkAction>, on store: inout DocumentStore) -> JSONValue {
        var items: [JSONValue] = []
        items.reserveCapacity(actions.count)
        for action in actions { items.append(item(action, on: &store)) }
        return ["took": 1, "errors": .bool(hasErrors), "items": .array(items)]
    }

    private mutating func item(_ action: BulkAction, on store: inout DocumentStore) -> JSONValue {
        do throws(OpenSearchFailure) {
            if !faults.isEmpty, case .item(let status, let type, let reason) = faults.itemFault(index: action.index) {
                throw OpenSearchFailure(status, type, reason)
            }
            let written = try store.write(action) { Array(body[action.source]) }
            if written.result == "created" || written.result == "updated" { stored += 1 }
            return .object([
                .init(
                    action.operation.rawValue,
                    [
                        "_index": .string(written.index), "_id": .string(written.id),
                        "_version": .integer(written.version), "result": .string(written.result),
                        "_shards": ["total": 2, "successful": 1, "failed": 0],
                        "_seq_no": .integer(written.sequenceNumber), "_primary_term": 1,
                        "status": .integer(written.status),
                    ])
            ])
        } catch {
            hasErrors = true
            let id: JSONValue = action.id.map { .string($0) } ?? .null
            return .object([
                .init(
                    action.operation.rawValue,
                    [
                        "_index": .string(action.index), "_id": id, "status": .integer(error.status),
                        "error": error.detail,
                    ])
            ])
        }
    }
}
