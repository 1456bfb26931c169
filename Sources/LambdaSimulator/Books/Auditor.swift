/// What a comparison of a publisher's books with a back end's documents found.
package struct Audit: Sendable, CustomStringConvertible {
    package var offered = 0
    package var acknowledged = 0
    package var documents = 0
    /// Acknowledged and in no document.
    package var missing: [EventKey] = []
    /// In more than one document.
    package var doubled: [EventKey] = []
    /// Ids of documents whose event was never offered.
    package var foreign: [String] = []
    /// Offered, not acknowledged, stored all the same: an answer was lost. No fault.
    package var storedUnacknowledged = 0

    /// Nothing acknowledged is missing, nothing is there twice, nothing came from nowhere.
    package var isBalanced: Bool { missing.isEmpty && doubled.isEmpty && foreign.isEmpty }

    package var description: String {
        var text = "offered=\(offered) acknowledged=\(acknowledged) documents=\(documents) missing=\(missing.count) "
        text += "doubled=\(doubled.count) foreign=\(foreign.count) stored_unacknowledged=\(storedUnacknowledged)"
        for (name, keys) in [("missing", missing), ("doubled", doubled)] where !keys.isEmpty {
            text += "\n  \(name): " + keys.prefix(5).map(\.description).joined(separator: ", ")
        }
        if !foreign.isEmpty { text += "\n  foreign: " + foreign.prefix(5).joined(separator: ", ") }
        return text
    }
}

/// Compares what a publisher got a 200 for with what lies in a back end.
package enum Auditor {
    package static func audit(_ books: TelemetryBooks, against search: FakeOpenSearch) -> Audit {
        audit(books.snapshot, documents: search.documents().map { (id: $0.index + "/" + $0.id, source: $0.source) })
    }

    package static func audit(
        _ books: TelemetryBooks.Entries, documents: some Sequence<(id: String, source: [UInt8])>
    ) -> Audit {
        var audit = Audit()
        audit.offered = books.offered.count
        audit.acknowledged = books.acknowledged.count
        var found: [EventKey: Int] = [:]
        for document in documents {
            audit.documents += 1
            guard let key = key(of: document.source) else {
                audit.foreign.append(document.id)
                continue
            }
            found[key, default: 0] += 1
            if books.offered[key] == nil { audit.foreign.append(document.id) }
        }
        audit.missing = books.acknowledged.filter { found[$0] == nil }.sorted { $0.description < $1.description }
        audit.doubled = found.filter { entry in
            // Lines of one millisecond with one text cannot be told apart: as many as were offered are fine.
            if case .line = entry.key { return entry.value > books.offered[entry.key] ?? 0 }
            return entry.value > 1
        }.map(\.key).sorted { $0.description < $1.description }
        audit.storedUnacknowledged = found.keys.count { books.offered[$0] != nil && !books.acknowledged.contains($0) }
        return audit
    }

    /// The event that a document was made of; nil for a document that is none of ours.
    package static func key(of source: [UInt8]) -> EventKey? {
        if let marker = MarkerSource.find(in: source) { return .marker(marker) }
        guard let document = try? StrictJSON.parse(source), let type = document["type"]?.text,
            let time = document["time"]?.text ?? document["@timestamp"]?.text
        else { return nil }
        let record = document["record"] ?? document["record_text"]?.text.flatMap { try? StrictJSON.parse($0) }
        if type.hasPrefix("platform.") {
            return .platform(
                type: type, time: time,
                requestID: record?["requestId"]?.text ?? document["faas", "invocation_id"]?.text ?? "")
        }
        var text = record?["message"]?.text ?? document["record_text"]?.text ?? record?.description ?? ""
        if type == "extension", text.hasSuffix("\n") { text.removeLast() }
        return .line(time: time, text: text)
    }
}
