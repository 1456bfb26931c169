import TelemetryModel

extension SpoolStore {
    /// Rejects take at most this part of the spool's bound; the oldest go first.
    static let rejectShare = 20

    static func bytes(of reject: RejectedDocument) -> Int {
        reject.content.count + reject.errorReason.utf8.count + reject.errorType.utf8.count + 128
    }

    /// Keeps documents for inspection, within their bound. Their count as `rejected` is the caller's, and stays when
    /// the bound makes them go.
    func insert(
        _ rejects: [RejectedDocument], createdMs: Int64, _ pending: inout Pending
    ) throws(SpoolError) {
        guard !rejects.isEmpty else { return }
        let bound = space.bound / Self.rejectShare
        var dropped = 0
        for reject in rejects {
            let bytes = Self.bytes(of: reject)
            // It would take all others with it, and go itself.
            guard bytes <= bound else {
                dropped += 1
                continue
            }
            pending.row.rejectBytes += bytes
            try connection.run(
                """
                INSERT INTO rejects (created_ms, document_id, index_name, status, reason, error_type, error_reason,
                    content)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    .integer(createdMs), .optional(reject.id), .optional(reject.index), .integer(reject.status),
                    .text(reject.reason), .text(reject.errorType), .text(reject.errorReason), .blob(reject.content),
                ], during: "reject")
        }
        while pending.row.rejectBytes > bound {
            var oldest: (id: Int64, bytes: Int)?
            try connection.query(
                """
                SELECT id, length(content) + length(CAST(error_reason AS BLOB)) + length(CAST(error_type AS BLOB)) + 128
                FROM rejects ORDER BY id LIMIT 1
                """, during: "reject"
            ) { row in
                oldest = (row.integer(0), row.int(1))
                return false
            }
            guard let oldest else {
                pending.row.rejectBytes = 0
                break
            }
            try connection.run("DELETE FROM rejects WHERE id = ?", [.integer(oldest.id)], during: "reject")
            pending.row.rejectBytes -= oldest.bytes
            dropped += 1
        }
        if dropped > 0 {
            pending.notices.append(Notice(.warning, "rejects_dropped", [(name: "documents", value: String(dropped))]))
        }
    }
}

extension RejectedDocument {
    /// A row of `document_id, index_name, status, reason, error_type, error_reason, content`.
    init(_ row: SQLRow) {
        self.init(
            id: row.text(0), index: row.text(1), status: row.int(2), reason: row.text(3) ?? "",
            errorType: row.text(4) ?? "", errorReason: row.text(5) ?? "", content: row.blob(6))
    }
}
