import TelemetryModel
import Testing

@testable import TelemetrySinks

@Suite struct BulkResponseParserTests {
    static func parse(_ text: String) -> BulkAnswer {
        var parser = BulkResponseParser()
        parser.feed(Array(text.utf8))
        return parser.answer
    }

    static func hash(_ id: String) -> UInt64 { DocumentIDHash.hash(of: id.utf8) }

    static let full = """
        {"took":12,"errors":true,"items":[
         {"create":{"_index":"lambda-function-2026.07.29","_id":"e1-41","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":977,"_primary_term":1,"status":201}},
         {"create":{"_index":"lambda-function-2026.07.29","_id":"e1-40","status":409,"error":{"type":"version_conflict_engine_exception","reason":"[e1-40]: version conflict, document already exists (current version [1])","index":"lambda-function-2026.07.29","shard":"0","index_uuid":"kq0invented"}}},
         {"create":{"_index":"lambda-platform-2026.07.29","_id":"e1-43","status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse","caused_by":{"type":"illegal_argument_exception","reason":"no","caused_by":{"type":"x","reason":"y"}}}}},
         {"create":{"status":429,"error":{"reason":"rejected execution of coordinating operation \\u2026","type":"rejected_execution_exception"},"_id":"e1-\\u0034\\u0034"}}]}
        """

    @Test func `the full answer parses, whatever stands between the keys and in which order`() {
        let answer = Self.parse(Self.full)
        #expect(answer.items == 4)
        #expect(answer.good == [Self.hash("e1-41"), Self.hash("e1-40")])
        #expect(answer.goodDigest == Self.hash("e1-41") &+ Self.hash("e1-40"))
        #expect(answer.isComplete && answer.isJSON && answer.requestError == nil)
        #expect(
            answer.failed == [
                .init(
                    position: 2, id: Array("e1-43".utf8), status: 400, type: "mapper_parsing_exception",
                    reason: "failed to parse", verdict: .documentAtFault),
                .init(
                    position: 3, id: Array("e1-44".utf8), status: 429, type: "rejected_execution_exception", reason: "",
                    verdict: .retry),
            ])
    }

    @Test func `the filtered all-good answer confirms every id`() {
        let ids = (0..<50).map { "0123456789abcdef-12-\($0)" }
        let items = ids.map { "{\"create\":{\"_id\":\"\($0)\",\"status\":201}}" }.joined(separator: ",")
        let answer = Self.parse("{\"errors\":false,\"items\":[\(items)]}")
        #expect(answer.good == ids.map(Self.hash))
        #expect(answer.isComplete)
        #expect(answer.confirmsAll(events: 50, digest: ids.reduce(0) { $0 &+ Self.hash($1) }))
        #expect(!answer.confirmsAll(events: 51, digest: answer.goodDigest))
    }

    @Test func `ids that share their beginning or do not are told apart`() {
        let ids = [
            "0123456789abcdef-1-0", "0123456789abcdef-1-1", "0123456789abcdeg-1-1", "0123456789abcdef-1-1",
            "1123456789abcdef-1-1", "0123456789abcdef", "0123456789abcde", "s", "1123456789abcdef",
        ]
        let items = ids.map { "{\"create\":{\"_id\":\"\($0)\",\"status\":201}}" }.joined(separator: ",")
        #expect(Self.parse("{\"errors\":false,\"items\":[\(items)]}").good == ids.map(Self.hash))
    }

    @Test func `an answer reads the same however it is split`() {
        let plain = (0..<3).map { "{\"create\":{\"_id\":\"id-\($0)\",\"status\":201}}" }.joined(separator: ",")
        for text in [Self.full, "{\"errors\":false,\"items\":[\(plain)]}", "{\"items\" : [ \(plain) , {} ] }"] {
            let bytes = Array(text.utf8)
            let whole = Self.parse(text)
            for split in 0...bytes.count {
                var parser = BulkResponseParser()
                parser.feed(Array(bytes[..<split]))
                parser.feed(Array(bytes[split...]))
                #expect(parser.answer == whole, "split at \(split)")
            }
            var single = BulkResponseParser()
            for byte in bytes { single.feed([byte]) }
            #expect(single.answer == whole)
        }
    }

    @Test func `an answer that breaks off confirms the items it closed`() {
        let bytes = Array(Self.full.utf8)
        let whole = Self.parse(Self.full)
        // Each item is a line of its own: closed at the last brace before the comma or bracket that ends the line.
        var ends: [Int] = []
        var offset = 0
        for line in Self.full.split(separator: "\n") {
            let item = line.hasSuffix(",") ? line.dropLast() : line.dropLast(2)
            if line.hasPrefix(" ") { ends.append(offset + item.utf8.count) }
            offset += line.utf8.count + 1
        }
        #expect(ends.count == 4)
        for length in 0..<bytes.count {
            var parser = BulkResponseParser()
            parser.feed(Array(bytes[..<length]))
            let answer = parser.answer
            #expect(!answer.isComplete)
            #expect(answer.items == ends.count { $0 <= length }, "cut at \(length)")
            #expect(answer.good == Array(whole.good.prefix(min(2, answer.items))))
            #expect(answer.failed == Array(whole.failed.prefix(max(0, answer.items - 2))))
        }
    }

    @Test(arguments: [
        "", " ", "<html><body>504</body></html>", "null", "[]", "\"x\"", "5", "{\"errors\":false}", "{}",
        "{\"items\":{}}", "{\"items\":[]}", "{\"items\":[1,\"a\",null,[]]}",
        "{\"items\":[[{\"_id\":\"a\",\"status\":201}]]}",
        "{\"other\":[{\"create\":{\"_id\":\"a\",\"status\":201}}]}",
        "[{\"items\":[{\"create\":{\"_id\":\"a\",\"status\":201}}]}]",
        "{\"x\":{\"items\":[{\"create\":{\"_id\":\"a\",\"status\":201}}]}}",
    ])
    func `what is no answer of ours confirms nothing`(text: String) {
        let answer = Self.parse(text)
        #expect(answer.good.isEmpty && answer.failed.isEmpty)
    }

    @Test(arguments: [
        "{\"create\":{\"_id\":\"a\",\"status\":201},\"index\":{\"_id\":\"b\",\"status\":201}}",
        "{\"create\":{\"_id\":\"a\",\"_id\":\"b\",\"status\":201}}",
        "{\"create\":{\"_id\":\"a\",\"status\":201,\"status\":400}}",
        "{\"create\":{\"_id\":\"a\"}}", "{\"create\":{\"status\":201}}",
        "{\"create\":{\"_id\":\"a\",\"status\":\"201\"}}",
        "{\"create\":{\"_id\":\"a\",\"status\":2e2}}", "{\"create\":{\"_id\":null,\"status\":201}}",
        "{\"create\":[{\"_id\":\"a\",\"status\":201}]}", "{}", "{\"create\":{\"x\":{\"_id\":\"a\",\"status\":201}}}",
    ])
    func `an item that can be read in two ways or in none is seen but confirms nothing`(item: String) {
        let answer = Self.parse("{\"items\":[\(item),{\"create\":{\"_id\":\"z\",\"status\":201}}]}")
        #expect(answer.items == 2)
        #expect(answer.good == [Self.hash("z")])
        #expect(answer.isComplete)
    }

    @Test func `an over-long id is not confirmed`() {
        for length in [512, 513, 1024, 5000] {
            let id = String(repeating: "j", count: length)
            for status in ["201", " 201"] {
                let answer = Self.parse("{\"items\":[{\"create\":{\"_id\":\"\(id)\",\"status\":\(status)}}]}")
                #expect(answer.good.count == (length <= 512 ? 1 : 0), "\(length)")
            }
        }
    }

    @Test func `a hundred thousand open brackets are no answer, and cost nothing`() {
        let deep = String(repeating: "[", count: 100_000)
        for text in [deep, "{\"items\":\(deep)", "{\"items\":[{\"create\":{\"_id\":\"a\",\"error\":\(deep)"] {
            let answer = Self.parse(text)
            #expect(!answer.isJSON && answer.good.isEmpty)
        }
    }

    @Test(arguments: [
        (
            "{\"error\":{\"root_cause\":[{\"type\":\"a\",\"reason\":\"b\"}],\"type\":\"illegal_argument_exception\",\"reason\":\"The bulk request must be terminated by a newline [\\\\n]\"},\"status\":400}",
            "illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]", 400
        ),
        (
            "{\"error\":\"Content-Type header [] is not supported\",\"status\":406}", "",
            "Content-Type header [] is not supported", 406
        ),
        (
            "{\"Message\":\"Request size exceeded 10485760 bytes\"}", "", "Request size exceeded 10485760 bytes",
            nil as Int?
        ),
    ])
    func `the error of a whole request is read in all its shapes`(
        text: String, type: String, reason: String, status: Int?
    ) {
        let answer = Self.parse(text)
        #expect(answer.requestError == .init(type: type, reason: reason, status: status))
        #expect(answer.items == 0 && answer.isComplete)
    }

    @Test func `one KiB of a reason is kept, and less once an answer's reasons pass a MiB`() {
        let reason = String(repeating: "r", count: 5000)
        let item =
            "{\"create\":{\"_id\":\"a\",\"status\":400,\"error\":{\"type\":\"mapper_parsing_exception\",\"reason\":\"\(reason)\"}}}"
        let answer = Self.parse("{\"items\":[\(Array(repeating: item, count: 1200).joined(separator: ","))]}")
        #expect(answer.failed.count == 1200)
        #expect(answer.failed.first?.reason.utf8.count == 1024)
        #expect(answer.failed.last?.reason.utf8.count == 64)
    }

    @Test func `escapes in ids, lone surrogates included, are decoded`() {
        let answer = Self.parse(
            "{\"items\":[{\"create\":{\"_id\":\"a\\n\\\"\\\\\\/\\ud83d\\ude00\\ud83dx\",\"status\":201}}]}")
        #expect(answer.good == [Self.hash("a\n\"\\/😀\u{fffd}x")])
    }

    /// Damages answers at random and checks that nothing is confirmed that is not written in the text as an `_id`.
    /// A failure prints its seed.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func `no damage to an answer confirms an id that is not in it`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let ids = (0..<8).map { "0123456789abcdef-\(seed)-\($0)" }
        let items = ids.map { "{\"create\":{\"_id\":\"\($0)\",\"status\":\(random.next() % 3 == 0 ? 409 : 201)}}" }
        let original = Array("{\"errors\":false,\"items\":[\(items.joined(separator: ","))]}".utf8)
        let alphabet = Array("{}[]\",:\\u0129a_id".utf8)
        for _ in 0..<60 {
            var bytes = original
            for _ in 0..<(1 + Int(random.next() % 4)) {
                let at = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 4 {
                case 0: bytes.remove(at: at)
                case 1: bytes.insert(alphabet[Int(random.next() % UInt64(alphabet.count))], at: at)
                case 2: bytes[at] = UInt8(truncatingIfNeeded: random.next())
                default: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 40)], at: at)
                }
                if bytes.isEmpty { bytes = [0] }
            }
            var parser = BulkResponseParser()
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(1 + Int(random.next() % 60))
                parser.feed(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            let answer = parser.answer
            let written = Self.quotedTexts(bytes)
            #expect(answer.good.allSatisfy { hash in written.contains { $0 == hash } }, "seed \(seed)")
            #expect(answer.goodDigest == answer.good.reduce(0, &+), "seed \(seed)")
            #expect(answer.good.count + answer.failed.count <= answer.items, "seed \(seed)")
        }
    }

    /// The hash of every text between any two quotes that follow one another, escapes decoded.
    private static func quotedTexts(_ bytes: [UInt8]) -> Set<UInt64> {
        var hashes: Set<UInt64> = []
        let quotes = bytes.indices.filter { bytes[$0] == UInt8(ascii: "\"") }
        for (position, quote) in quotes.enumerated() {
            for end in quotes.dropFirst(position + 1).prefix(4) {
                var handler = SingleString()
                var stream = JSONStream(captureLimit: 1024)
                ([UInt8(ascii: "[")] + bytes[quote...end]).withUnsafeBytes {
                    _ = stream.feed($0, to: &handler) { _ in false }
                }
                if let text = handler.text { hashes.insert(DocumentIDHash.hash(of: text)) }
            }
        }
        return hashes
    }

    private struct SingleString: JSONStreamHandler {
        var text: [UInt8]?
        var wantsString: Bool { true }
        mutating func begin(isObject: Bool, depth: Int) {}
        mutating func end(depth: Int) {}
        mutating func key(_ name: [UInt8], depth: Int) {}
        mutating func string(_ text: [UInt8], isWhole: Bool, depth: Int) { self.text = text }
        mutating func number(_ text: [UInt8], depth: Int) {}
        mutating func other(depth: Int) {}
    }
}

/// A seeded generator, so that a failure can be run again.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
