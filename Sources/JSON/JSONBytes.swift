/// Byte constants and the word-wise search that scanner, reader, buffer and writer share.
enum JSONBytes {
    static let quote = UInt8(ascii: "\"")
    static let backslash = UInt8(ascii: "\\")
    static let comma = UInt8(ascii: ",")
    static let colon = UInt8(ascii: ":")
    static let openBrace = UInt8(ascii: "{")
    static let closeBrace = UInt8(ascii: "}")
    static let openBracket = UInt8(ascii: "[")
    static let closeBracket = UInt8(ascii: "]")

    /// The high bit of every byte of `word` that is `"`, `\`, below 0x20 or above 0x7f; only the lowest one that is set
    /// is exact, since a borrow runs upwards from a hit.
    @inline(__always)
    static func specials(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quotes = (word ^ (ones &* 0x22)) &- ones
        let backslashes = (word ^ (ones &* 0x5c)) &- ones
        let controls = word &- (ones &* 0x20)
        return (quotes | backslashes | controls | word) & (ones &* 0x80)
    }

    /// The first index from `start` on of a byte that a string cannot hold as it is, or that needs a look (`"`, `\`,
    /// below 0x20, above 0x7f); `bytes.count` if there is none.
    @inline(__always)
    static func nextSpecial(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var index = start
        while index &+ 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let hits = specials(word)
            if hits != 0 { return index &+ hits.trailingZeroBitCount >> 3 }
            index &+= 8
        }
        while index < bytes.count {
            let byte = bytes[index]
            if byte < 0x20 || byte > 0x7f || byte == quote || byte == backslash { break }
            index &+= 1
        }
        return index
    }

    /// The length of the well-formed UTF-8 sequence at `index`, whose byte is above 0x7f; or, negative, how many bytes
    /// from there make up one ill-formed piece (the Unicode standard's maximal subpart, replaced by one U+FFFD).
    static func sequenceLength(_ bytes: UnsafeRawBufferPointer, at index: Int) -> Int {
        let first = bytes[index]
        let length: Int
        var low: UInt8 = 0x80
        var high: UInt8 = 0xbf
        switch first {
        case 0xc2...0xdf: length = 2
        case 0xe0...0xef:
            length = 3
            if first == 0xe0 { low = 0xa0 }
            if first == 0xed { high = 0x9f }
        case 0xf0...0xf4:
            length = 4
            if first == 0xf0 { low = 0x90 }
            if first == 0xf4 { high = 0x8f }
        default: return -1
        }
        var seen = 1
        while seen < length {
            guard index &+ seen < bytes.count else { return -seen }
            let byte = bytes[index &+ seen]
            guard byte >= low, byte <= high else { return -seen }
            low = 0x80
            high = 0xbf
            seen &+= 1
        }
        return length
    }

    /// True for the character behind a backslash, `u` apart.
    @inline(__always)
    static func isShortEscape(_ byte: UInt8) -> Bool {
        switch byte {
        case quote, backslash, UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            true
        default: false
        }
    }

    /// The value of a hexadecimal digit, nil for anything else.
    @inline(__always)
    static func hexValue(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte &- 0x30)
        case 0x41...0x46: UInt32(byte &- 0x41 &+ 10)
        case 0x61...0x66: UInt32(byte &- 0x61 &+ 10)
        default: nil
        }
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    static let hexDigits: StaticString = "0123456789abcdef"
}
