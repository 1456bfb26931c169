import Testing

@testable import Deflate

@Suite struct ChunkEncoderTests {
    private func lines(_ text: String, _ encoder: ChunkEncoder) throws -> DeflatedLines {
        try Array(text.utf8).withUnsafeBytes { try encoder.encode($0) }
    }

    @Test(arguments: 0...9)
    func `a chunk inflates to its lines at every level`(level: Int) throws {
        let encoder = try ChunkEncoder(level: level)
        let text = String(repeating: #"{"create":{"_index":"lambda-function"}}"# + "\n", count: 500)
        let deflated = try lines(text, encoder)
        let inflated = try Inflater.inflate(stored: deflated.stored, length: text.utf8.count)
        #expect(inflated == Array(text.utf8))
        #expect(deflated.linesCRC == Array(text.utf8).withUnsafeBytes { CRC32.of($0) })
        #expect(deflated.storedCRC == deflated.stored.withUnsafeBytes { CRC32.of($0) })
    }

    @Test func `a chunk does not depend on the chunks before it`() throws {
        let encoder = try ChunkEncoder(level: 1)
        _ = try lines(String(repeating: "something else\n", count: 10_000), encoder)
        let second = try lines("the same line\n", encoder)
        let alone = try lines("the same line\n", ChunkEncoder(level: 1))
        #expect(second.stored == alone.stored)
    }

    @Test func `chunks that fill the output buffer many times over are whole`() throws {
        var random = SplitMix(seed: 88_172_645_463_325_252)
        let noise = (0..<700_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let encoder = try ChunkEncoder(level: 1)
        for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 700_000] {
            let piece = Array(noise[..<length])
            let deflated = try piece.withUnsafeBytes { try encoder.encode($0) }
            #expect(try Inflater.inflate(stored: deflated.stored, length: length) == piece)
        }
    }

    @Test func `chunks of every length are whole, alone and joined`() throws {
        let encoder = try ChunkEncoder(level: 1)
        let words = ["\"type\":\"function\",", "{\"create\":{}}\n", "request ", "\\u00e9", "0123456789", "\n"]
        var random = SplitMix(seed: 7)
        var joiner = GzipJoiner()
        var all: [UInt8] = []
        for length in Array(0..<600) + [32_767, 32_768, 32_769, 65_536, 262_144, 3_000_000] {
            var lines: [UInt8] = []
            while lines.count < length { lines += words[Int(random.next() % 6)].utf8 }
            lines.removeLast(lines.count - length)
            let deflated = try lines.withUnsafeBytes { try encoder.encode($0) }
            #expect(try Inflater.inflate(stored: deflated.stored, length: length) == lines)
            joiner.append(stored: deflated.stored, linesCRC: deflated.linesCRC, linesLength: length)
            all += lines
        }
        #expect(try Inflater.gunzip(joiner.finish(), limit: all.count) == all)
    }

    @Test func `a level that there is not is refused`() {
        #expect(throws: DeflateError.level(10)) { try ChunkEncoder(level: 10) }
        #expect(throws: DeflateError.level(-1)) { try ChunkEncoder(level: -1) }
    }
}

/// https://prng.di.unimi.it/splitmix64.c
private struct SplitMix {
    var seed: UInt64

    mutating func next() -> UInt64 {
        seed &+= 0x9e37_79b9_7f4a_7c15
        var z = seed
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

@Suite struct GzipJoinerTests {
    @Test(arguments: [0, 1, 3, 1_000])
    func `joined pieces are one gzip member of all lines`(count: Int) throws {
        let encoder = try ChunkEncoder(level: 1)
        var joiner = GzipJoiner()
        var all: [UInt8] = []
        for index in 0..<count {
            let text = Array("{\"n\":\(index)}\n{\"text\":\"\(String(repeating: "x", count: index % 90))\"}\n".utf8)
            let deflated = try text.withUnsafeBytes { try encoder.encode($0) }
            joiner.append(stored: deflated.stored, linesCRC: deflated.linesCRC, linesLength: text.count)
            all += text
        }
        #expect(try Inflater.gunzip(joiner.finish(), limit: 1 << 20) == all)
    }

    @Test func `the frame around the pieces is the one RFC 1952 describes`() {
        let empty = GzipJoiner().finish()
        #expect(empty == [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(empty.count == GzipJoiner.overhead)
    }
}

@Suite struct InflaterTests {
    private let text = Array(String(repeating: "a line of some length\n", count: 10_000).utf8)

    @Test func `gzip and gunzip are inverse, several members included`() throws {
        let first = try Inflater.gzip(text, level: 6)
        #expect(try Inflater.gunzip(first, limit: text.count) == text)
        #expect(try Inflater.gunzip(first + first, limit: 2 * text.count) == text + text)
        #expect(try Inflater.gunzip(Inflater.gzip([], level: 1), limit: 0) == [])
    }

    @Test func `more than the limit is refused`() throws {
        let bomb = try Inflater.gzip([UInt8](repeating: 0, count: 10_000_000), level: 9)
        #expect(throws: DeflateError.tooLarge) { try Inflater.gunzip(bomb, limit: 1_000_000) }
    }

    @Test func `cut, altered and foreign bytes are corrupt`() throws {
        let good = try Inflater.gzip(text, level: 1)
        for length in 0..<good.count {
            #expect(throws: DeflateError.corrupt) { try Inflater.gunzip(Array(good[..<length]), limit: 1 << 20) }
        }
        var wrong = good
        wrong[wrong.count - 5] ^= 1
        #expect(throws: DeflateError.corrupt) { try Inflater.gunzip(wrong, limit: 1 << 20) }
        #expect(throws: DeflateError.corrupt) { try Inflater.gunzip(Array("no gzip at all".utf8), limit: 100) }
    }

    @Test func `a stored piece must be exactly as long as it says`() throws {
        let encoder = try ChunkEncoder(level: 1)
        let stored = try text.withUnsafeBytes { try encoder.encode($0) }.stored
        #expect(throws: DeflateError.length) { try Inflater.inflate(stored: stored, length: text.count + 1) }
        #expect(throws: DeflateError.tooLarge) { try Inflater.inflate(stored: stored, length: text.count - 1) }
        #expect(throws: DeflateError.length) { try Inflater.inflate(stored: stored, length: 1 << 40) }
        #expect(throws: DeflateError.length) { try Inflater.inflate(stored: stored, length: -1) }
    }

    @Test func `CRCs combine`() {
        let whole = text.withUnsafeBytes { CRC32.of($0) }
        let head = Array(text[..<1234]).withUnsafeBytes { CRC32.of($0) }
        let tail = Array(text[1234...]).withUnsafeBytes { CRC32.of($0) }
        #expect(CRC32.combine(head, tail, lengthOfB: text.count - 1234) == whole)
        #expect(Array("123456789".utf8).withUnsafeBytes { CRC32.of($0) } == 0xcbf4_3926)
    }
}
