import TelemetryModel

/// The digests of the last bodies, by which a repeated POST is recognised before it gets a number.
struct BodyRing {
    static let size: Int64 = 1024

    private var slots: [Int64: Digest128] = [:]
    private var events: [Digest128: Int] = [:]

    /// The number of events of a recent body, nil when it is not among them.
    func events(of digest: Digest128) -> Int? { events[digest] }

    var entries: [(slot: Int64, body: LastBody)] {
        slots.map { ($0.key, LastBody(digest: $0.value, events: events[$0.value] ?? 0)) }
    }

    mutating func enter(_ body: LastBody, slot: Int64) {
        if let replaced = slots.updateValue(body.digest, forKey: slot) { events[replaced] = nil }
        events[body.digest] = body.events
    }

    static func load(from connection: Connection) throws(SpoolError) -> BodyRing {
        var ring = BodyRing()
        try connection.query("SELECT slot, digest, events FROM bodies", during: "load") { row in
            if let digest = Digest128(bytes: row.blob(1)) {
                ring.enter(LastBody(digest: digest, events: row.int(2)), slot: row.integer(0))
            }
            return true
        }
        return ring
    }

    static func save(_ body: LastBody, slot: Int64, to connection: Connection) throws(SpoolError) {
        try connection.run(
            "INSERT OR REPLACE INTO bodies VALUES (?, ?, ?)",
            [.integer(slot), .blob(body.digest.bytes), .integer(body.events)], during: "append")
    }
}
