import JSON
import LambdaSimulator
import TelemetryModel
import TelemetrySinks

/// OpenSearch's answers to bulk requests: a seed for the pieces, then the body of an answer.
enum BulkTarget {
    static func check(_ input: [UInt8]) throws {
        guard let seed = input.first else { return }
        let maximumItems = seed & 1 == 0 ? 1_000_000 : 3
        let body = Array(input.dropFirst())
        let answer = parse([body[...]], maximumItems)
        for pieces in Pieces.everyWay(body, seed: seed).dropFirst() {
            try expectEqual(parse(pieces, maximumItems), answer, "in \(pieces.count) pieces")
        }
        try bounds(answer, maximumItems)
        try onlyWhatIsThere(answer, body)
        // An answer that breaks off confirms what it had closed, and says that it broke off.
        let half = parse([body[..<(body.count * Int(seed) / 255)]], maximumItems)
        try expect(answer.good.starts(with: half.good) && half.items <= answer.items, "the half confirms more")
        if Oracle.isStrict(body), let value = try? StrictJSON.parse(body) { try expected(answer, value, maximumItems) }
    }

    private static func parse(_ pieces: [ArraySlice<UInt8>], _ maximumItems: Int) -> BulkAnswer {
        var parser = BulkResponseParser(maximumItems: maximumItems)
        for piece in pieces { piece.withUnsafeBytes { parser.feed($0) } }
        return parser.answer
    }

    private static func bounds(_ answer: BulkAnswer, _ maximumItems: Int) throws {
        let kept = answer.good.count + answer.failed.count
        try expect(kept <= min(answer.items, maximumItems), "\(kept) of \(answer.items) items")
        try expectEqual(answer.goodDigest, answer.good.reduce(0, &+), "digest")
        for item in answer.failed {
            try expect(item.position < answer.items && (100..<1000).contains(item.status) || item.status < 100, "item")
            // What is ill-formed grows to U+FFFD's three bytes.
            try expect(
                item.id.count <= 512 && item.type.utf8.count <= 3 * 128 && item.reason.utf8.count <= 3 * 1024, "bounds")
            try expect(item.verdict != .delivered, "a failed item that is delivered")
        }
        if let error = answer.requestError {
            try expect(error.type.utf8.count <= 3 * 128 && error.reason.utf8.count <= 3 * 1024, "bounds of the error")
        }
        try expect(!answer.isComplete || answer.items == 0 || answer.isJSON, "items of what is no object")
    }

    /// Every confirmed id is a string of the text.
    private static func onlyWhatIsThere(_ answer: BulkAnswer, _ body: [UInt8]) throws {
        // Ill-formed ids are hashed byte by byte; the judge below would replace their bytes.
        guard !answer.good.isEmpty, String(validating: body, as: UTF8.self) != nil else { return }
        var strings: Set<UInt64> = []
        for start in body.indices where body[start] == UInt8(ascii: "\"") {
            var end = start + 1
            while end < body.count, body[end] != UInt8(ascii: "\"") {
                end += body[end] == UInt8(ascii: "\\") ? 2 : 1
            }
            guard end < body.count else { continue }
            let inside = body[(start + 1)..<end]
            strings.insert(DocumentIDHash.hash(of: inside))
            strings.insert(DocumentIDHash.hash(of: inside.withUnsafeBytes { JSONReader.decode($0) }.utf8))
        }
        try expect(answer.good.allSatisfy(strings.contains), "an id that the answer does not hold")
    }

    /// Of JSON without repeated names everything is known in advance.
    private static func expected(_ answer: BulkAnswer, _ value: JSONValue, _ maximumItems: Int) throws {
        guard depth(value) <= 60 else { return }
        try expect(answer.isComplete || value.members == nil && value.elements == nil, "JSON, but not complete")
        let items = (value["items"]?.elements ?? []).filter { $0.members != nil || $0.elements != nil }
        try expectEqual(answer.items, items.count, "items")
        var good: [UInt64] = []
        var failed: [String] = []
        for (position, item) in items.prefix(maximumItems).enumerated() {
            guard let actions = item.members, actions.count == 1, case .object = actions[0].value else { continue }
            let action = actions[0].value
            guard case .number(let text) = action["status"], text.utf8.count == 3, let status = Int(text), status >= 0
            else { continue }
            let id = action["_id"]?.text
            if let id, id.utf8.count > 512 { continue }
            let type = action["error"]?["type"]?.text ?? ""
            let isThere = status == 409 && (type.isEmpty || type == "version_conflict_engine_exception")
            if isThere || (200..<300).contains(status) {
                if let id { good.append(DocumentIDHash.hash(of: id.utf8)) }
            } else {
                failed.append("\(position) \(status) \(id ?? "")")
            }
        }
        try expectEqual(answer.good, good, "good")
        try expectEqual(
            answer.failed.map { "\($0.position) \($0.status) \(String(decoding: $0.id, as: UTF8.self))" }, failed,
            "failed")
    }

    private static func depth(_ value: JSONValue) -> Int {
        1 + ((value.elements ?? value.members?.map(\.value))?.map(depth).max() ?? 0)
    }
}
