/// A 128-bit digest of bytes that arrived from outside: a fixed function, equal in every process and version, because it
/// is kept in the spool. It recognises repetitions; it is no defence against somebody who constructs collisions.
///
/// MurmurHash3 x64 128 by Austin Appleby, in the public domain, seed 0.
package struct Digest128: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The 16 bytes as the spool keeps them, big-endian.
    package var bytes: [UInt8] {
        withUnsafeBytes(of: high.bigEndian) { Array($0) } + withUnsafeBytes(of: low.bigEndian) { Array($0) }
    }

    /// Nil unless there are exactly 16 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.high = bytes[0..<8].reduce(0) { $0 << 8 | UInt64($1) }
        self.low = bytes[8..<16].reduce(0) { $0 << 8 | UInt64($1) }
    }

    package init(of bytes: UnsafeRawBufferPointer) {
        let c1: UInt64 = 0x87c3_7b91_1142_53d5
        let c2: UInt64 = 0x4cf5_ad43_2745_937f
        var h1: UInt64 = 0
        var h2: UInt64 = 0
        let blocks = bytes.count / 16
        for block in 0..<blocks {
            var k1 = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: block &* 16, as: UInt64.self))
            var k2 = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: block &* 16 &+ 8, as: UInt64.self))
            k1 = Self.rotate(k1 &* c1, 31) &* c2
            h1 = (Self.rotate(h1 ^ k1, 27) &+ h2) &* 5 &+ 0x52dc_e729
            k2 = Self.rotate(k2 &* c2, 33) &* c1
            h2 = (Self.rotate(h2 ^ k2, 31) &+ h1) &* 5 &+ 0x3849_5ab5
        }
        var tail: (UInt64, UInt64) = (0, 0)
        var index = bytes.count - 1
        while index >= blocks * 16 {
            let offset = index - blocks * 16
            if offset >= 8 {
                tail.1 |= UInt64(bytes[index]) << UInt64((offset - 8) * 8)
            } else {
                tail.0 |= UInt64(bytes[index]) << UInt64(offset * 8)
            }
            index -= 1
        }
        if tail.1 != 0 || bytes.count % 16 > 8 { h2 ^= Self.rotate(tail.1 &* c2, 33) &* c1 }
        if bytes.count % 16 > 0 { h1 ^= Self.rotate(tail.0 &* c1, 31) &* c2 }
        h1 ^= UInt64(bytes.count)
        h2 ^= UInt64(bytes.count)
        h1 = h1 &+ h2
        h2 = h2 &+ h1
        h1 = Self.finish(h1)
        h2 = Self.finish(h2)
        h1 = h1 &+ h2
        h2 = h2 &+ h1
        self.high = h1
        self.low = h2
    }

    /// 32 lower-case hexadecimal digits.
    package var text: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private static func rotate(_ value: UInt64, _ by: UInt64) -> UInt64 { value << by | value >> (64 - by) }

    private static func finish(_ value: UInt64) -> UInt64 {
        var k = value
        k = (k ^ k >> 33) &* 0xff51_afd7_ed55_8ccd
        k = (k ^ k >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return k ^ k >> 33
    }
}
