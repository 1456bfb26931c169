import Deflate
import JSON
import LambdaSimulator
import TelemetryIntake
import TelemetryModel
import TelemetrySinks

/// What holds for every batch, whatever was in the body.
enum BatchCheck {
    struct Pair {
        var id: String
        /// Which of the body's documents it is.
        var ordinal: Int
        var document: [UInt8]
    }

    /// The documents in the order of the body, each checked.
    static func pairs(of batch: EncodedBatch) throws -> [Pair] {
        try expectEqual(batch.ledger.imbalance, 0, "\(batch.ledger)")
        try expect(batch.state.heldParts.count <= 4, "\(batch.state.heldParts.count) parts")
        try expectEqual(batch.rejects.count, batch.ledger[.rejected, LedgerReason.unreadable], "rejects")
        for observation in batch.observations {
            try expect(observation.value.isFinite && observation.value >= 0, "NaN")
        }
        var pairs: [Pair] = []
        var joiner = GzipJoiner()
        var all: [UInt8] = []
        for chunk in batch.chunks {
            let lines = try Inflater.inflate(stored: chunk.stored, length: chunk.linesLength)
            try expectEqual(lines.withUnsafeBytes { CRC32.of($0) }, chunk.linesCRC, "CRC of the lines")
            try expectEqual(chunk.stored.withUnsafeBytes { CRC32.of($0) }, chunk.storedCRC, "CRC of what is stored")
            joiner.append(stored: chunk.stored, linesCRC: chunk.linesCRC, linesLength: chunk.linesLength)
            all += lines
            pairs += try self.pairs(of: chunk, lines)
        }
        if !all.isEmpty {
            try expect(try Inflater.gunzip(joiner.finish(), limit: all.count) == all, "joined chunks are no gzip")
        }
        pairs.sort { $0.ordinal < $1.ordinal }
        try expectEqual(pairs.map(\.ordinal), Array(0..<pairs.count), "ordinals")
        return pairs
    }

    private static func pairs(of chunk: Chunk, _ lines: [UInt8]) throws -> [Pair] {
        try expectEqual(lines.last, 0x0a, "the last line's end")
        let split = lines.dropLast().split(separator: 0x0a, omittingEmptySubsequences: false).map(Array.init)
        try expectEqual(split.count, 2 * chunk.events, "lines")
        var pairs: [Pair] = []
        var digest: UInt64 = 0
        // The sinks' own reading of them.
        var sent = TelemetrySinks.BulkLines(lines)
        for start in stride(from: 0, to: split.count, by: 2) {
            guard let action = ActionLine.read(split[start]), let seen = sent.next(),
                let ordinal = action.id.split(separator: "-").last.flatMap({ Int($0) })
            else { throw Finding(description: "action line \(String(decoding: split[start], as: UTF8.self))") }
            try isLine(split[start])
            try expect(chunk.indices.contains(action.index), "the index \(action.index)")
            try expect(
                sent.text(seen.id) == action.id && sent.text(seen.index) == action.index
                    && Array(lines[seen.document]) == split[start + 1], "the sinks read another document")
            digest &+= DocumentIDHash.hash(of: action.id.utf8)
            try document(split[start + 1])
            pairs.append(Pair(id: action.id, ordinal: ordinal, document: split[start + 1]))
        }
        try expectEqual(digest, chunk.idsDigest, "digest of the ids")
        return pairs
    }

    private static func document(_ line: [UInt8]) throws {
        try isLine(line)
        if let value = try? StrictJSON.parse(line) {
            try expect(value["record"]?.members != nil, "record is no object")
            try expectEqual(value["@timestamp"]?.text?.utf8.count, 24, "@timestamp")
            try expect(value["type"]?.text != nil, "type")
            try expectEqual(value["faas", "name"]?.text, "checkout", "faas")
        }
        let safe = SafeShape.document(from: line)
        try isLine(safe)
        try expect(SafeShape.isSafe(safe), "the safe shape is not seen as such")
    }

    /// One line of JSON that needs no repair, to us and to others.
    private static func isLine(_ line: [UInt8]) throws {
        let text = { String(decoding: line, as: UTF8.self) }
        try expect(Oracle.isStrict(line) && !line.contains { $0 < 0x20 }, "no line of JSON: \(text())")
        if Oracle.isCompetent(line) { try expect(Oracle.accepts(line), "Foundation refuses \(text())") }
    }
}
