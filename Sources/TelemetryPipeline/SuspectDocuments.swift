/// Single documents whose request was refused as a whole with a 400 that neither plain nor halving cured: pure.
///
/// Such a document is rejected when it is refused again although a request of others was accepted meanwhile. If none is,
/// the back end is at fault and the document waits.
struct SuspectDocuments {
    private static let bound = 1024

    /// By the hash of the `_id`: how many other requests had been accepted when it was first refused.
    private var suspects: [UInt64: Int] = [:]
    private var accepted = 0

    mutating func suspect(_ id: UInt64) {
        guard suspects[id] == nil else { return }
        if suspects.count >= Self.bound { suspects.removeAll() }
        suspects[id] = accepted
    }

    mutating func othersAccepted() {
        accepted += 1
    }

    func isGuilty(_ id: UInt64) -> Bool {
        suspects[id].map { $0 < accepted } ?? false
    }

    mutating func forget(_ id: UInt64) {
        suspects[id] = nil
    }
}
