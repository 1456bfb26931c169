/// A part of a cut record that waits for its other half.
package struct WaitingPart: Equatable, Sendable {
    /// Bytes of its text.
    package var bytes: Int
    /// Milliseconds since 1970.
    package var receivedMs: Int64
}

/// The metric state of a spool, in numbers.
package struct MetricSums: Equatable, Sendable {
    /// Summaries, by family and request.
    package var series = 0
    /// Counters, by family and label.
    package var counters = 0
    /// Instances before a quarantine whose groups still have to be pushed once.
    package var formerInstances = 0
}

extension SpoolReader {
    /// A reader of the spool in a directory: of the first of its files that is a spool of this version, for the others may
    /// be somebody else's; or of one file.
    package static func copying(spoolAt path: String, scratch: String = "/tmp") throws(SpoolError) -> SpoolReader {
        var failure: SpoolError?
        for name in Spool.fileNames {
            let file = path + "/" + name
            guard SpoolFile.head(of: file, count: 16) != nil else { continue }
            do throws(SpoolError) {
                return try SpoolReader(copying: file, scratch: scratch)
            } catch {
                if failure == nil { failure = error }
            }
        }
        if let failure { throw failure }
        return try SpoolReader(copying: path, scratch: scratch)
    }

    package func metricSums() throws(SpoolError) -> MetricSums {
        var sums = MetricSums()
        sums.series = Int(try connection.integer("SELECT count(*) FROM series", during: "inspect") ?? 0)
        sums.counters = Int(try connection.integer("SELECT count(*) FROM counters", during: "inspect") ?? 0)
        sums.formerInstances = Int(
            try connection.integer("SELECT count(DISTINCT instance) FROM carried WHERE pushed = 0", during: "inspect")
                ?? 0)
        return sums
    }

    /// In the order they came in.
    package func waitingParts() throws(SpoolError) -> [WaitingPart] {
        var parts: [WaitingPart] = []
        try connection.query(
            "SELECT length(value), received_ms FROM held_parts ORDER BY position", during: "inspect"
        ) { row in
            parts.append(WaitingPart(bytes: row.int(0), receivedMs: row.integer(1)))
            return true
        }
        return parts
    }
}
