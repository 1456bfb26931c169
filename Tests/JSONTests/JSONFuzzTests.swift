import Foundation
import Testing

@testable import JSON

/// Mutates JSON at random and compares what the scanner and the reader say with Foundation's parser.
///
/// A failure prints its seed; rerun with `INTAKE_SEED=<seed> swift test --filter JSONFuzzTests`. `INTAKE_ROUNDS` sets the
/// number of documents.
@Suite struct JSONFuzzTests {
    /// SplitMix64: small, and the same everywhere.
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
            return z ^ z >> 31
        }
    }

    private func value(_ depth: Int, _ random: inout Generator) -> String {
        switch Int.random(in: 0..<(depth > 4 ? 6 : 8), using: &random) {
        case 0: return ["true", "false", "null"].randomElement(using: &random) ?? ""
        case 1: return ["0", "-0", "12", "-1.5", "1e5", "2.25E-3", "123456789"].randomElement(using: &random) ?? ""
        case 2: return "\"\""
        case 3, 4, 5:
            let pieces = [
                "a", "long text of some length ", "\\n", "\\\"", "\\\\", "\\u0041", "é", "𝄞", "日本", "\\/", "}", "]",
                ",", ":",
            ]
            return "\""
                + (0..<Int.random(in: 0..<6, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
                .joined() + "\""
        case 6:
            let elements = (0..<Int.random(in: 0..<4, using: &random)).map { _ in value(depth + 1, &random) }
            return "[" + elements.joined(separator: [",", " , ", ",\n"].randomElement(using: &random) ?? ",") + "]"
        default:
            let members = (0..<Int.random(in: 0..<4, using: &random)).map { "\"k\($0)\":" + value(depth + 1, &random) }
            return "{" + members.joined(separator: ",") + "}"
        }
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout Generator) {
        let alphabet = Array("{}[]\",:\\0123456789.eE+-tfnul \n/x".utf8)
        for _ in 0..<Int.random(in: 0..<3, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: bytes.indices, using: &random)
            guard bytes[index] < 0x80 else { continue }
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.remove(at: index)
            case 1: bytes.insert(alphabet.randomElement(using: &random) ?? 0x20, at: index)
            case 2: bytes[index] = alphabet.randomElement(using: &random) ?? 0x20
            default: if bytes[..<index].last.map({ $0 < 0x80 }) ?? true { bytes.removeLast(bytes.count - index) }
            }
        }
    }

    private func isJSON(_ bytes: [UInt8]) -> Bool {
        (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
    }

    /// Where Foundation differs from RFC 8259: it takes a comma before a closing bracket, and refuses `0e5` and numbers
    /// beyond a double.
    private func isMatterOfTaste(_ bytes: [UInt8]) -> Bool {
        let text = bytes.filter { $0 > 0x20 }
        for (index, byte) in text.enumerated() where index + 1 < text.count {
            let next = text[index + 1]
            if byte == UInt8(ascii: ","), next == UInt8(ascii: "]") || next == UInt8(ascii: "}") { return true }
            if byte == UInt8(ascii: "0"), next | 0x20 == UInt8(ascii: "e") { return true }
        }
        return hasHugeExponent(bytes)
    }

    private func hasHugeExponent(_ bytes: [UInt8]) -> Bool {
        bytes.split { !(0x30...0x39).contains($0) }.contains { digits in
            digits.count > 2 && digits.startIndex > 0
                && [0x45, 0x65, 0x2b, 0x2d].contains(bytes[digits.startIndex - 1])
        }
    }

    /// Walks the whole value with the reader, so that every method meets broken input.
    private func walk(_ reader: inout JSONReader) throws(JSONError) {
        switch try reader.peek() {
        case .object:
            try reader.beginObject()
            while try reader.nextKey() != nil { try walk(&reader) }
        case .array:
            try reader.beginArray()
            while try reader.nextElement() { try walk(&reader) }
        case .string: _ = try reader.string()
        case .number: _ = try reader.number()
        case .bool: _ = try reader.bool()
        case .null: _ = try reader.null()
        }
    }

    @Test func `scanner and reader agree with Foundation on what is JSON`() {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["INTAKE_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64.max)
        let rounds = environment["INTAKE_ROUNDS"].flatMap { Int($0) } ?? 10_000
        var random = Generator(state: seed)
        var valid = 0
        for round in 0..<rounds {
            var bytes = Array(value(0, &random).utf8)
            mutate(&bytes, &random)
            guard !bytes.isEmpty, String(validating: bytes, as: UTF8.self) != nil, !isMatterOfTaste(bytes) else {
                continue
            }
            let foundation = isJSON(bytes)
            let scanned = bytes.withUnsafeBytes { buffer in
                var scanner = JSONScanner(buffer)
                guard case .complete = scanner.scanValue(), scanner.nextToken() == nil else { return false }
                return scanner.repairs.isStrict
            }
            let read: Bool
            do throws(JSONError) {
                try JSONReader.read(bytes) { (reader) throws(JSONError) in
                    try walk(&reader)
                    try reader.end()
                }
                read = true
            } catch {
                read = false
            }
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(scanned == foundation, "seed \(seed), round \(round): \(text)")
            // The reader takes what can be repaired, and nothing else that the scanner does not.
            #expect(read || !scanned, "seed \(seed), round \(round): \(text)")
            if foundation { valid += 1 }
            if read, !scanned {
                let repaired = bytes.withUnsafeBytes { source in
                    let buffer = JSONBuffer()
                    buffer.appendRepaired(source)
                    return Array(buffer.bytes)
                }
                #expect(
                    isJSON(repaired),
                    "seed \(seed), round \(round), repaired: \(text)")
            }
        }
        #expect(valid > rounds / 4 && valid < rounds, "seed \(seed): the mutations prove nothing")
    }
}
