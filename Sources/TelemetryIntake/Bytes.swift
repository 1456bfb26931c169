#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension UnsafeRawBufferPointer {
    @inline(__always)
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount, let baseAddress else { return count == text.utf8CodeUnitCount }
        return memcmp(baseAddress, text.utf8Start, count) == 0
    }

    func begins(with prefix: [UInt8]) -> Bool {
        guard count >= prefix.count, let baseAddress else { return prefix.isEmpty }
        return prefix.withUnsafeBytes { bytes in
            bytes.baseAddress.map { memcmp(baseAddress, $0, bytes.count) == 0 } ?? true
        }
    }

    /// ASCII letters in either case equal `lowercase`.
    func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
        guard count == lowercase.utf8CodeUnitCount else { return false }
        return indices.allSatisfy { self[$0] | 0x20 == lowercase.utf8Start[$0] }
    }

    /// The first index from `start` on at which `text` stands. The search leaps to the byte of `text` at offset `anchor`:
    /// choose one that is rare.
    func firstIndex(of text: StaticString, from start: Int, anchor: Int) -> Int? {
        let length = text.utf8CodeUnitCount
        guard let baseAddress, start >= 0, anchor < length else { return nil }
        var position = start
        while position + length <= count {
            let left = count - (length - 1 - anchor) - (position + anchor)
            guard let hit = memchr(baseAddress + position + anchor, Int32(text.utf8Start[anchor]), left) else {
                return nil
            }
            position = UnsafeRawPointer(hit) - baseAddress - anchor
            if memcmp(baseAddress + position, text.utf8Start, length) == 0 { return position }
            position += 1
        }
        return nil
    }

    @inline(__always)
    func slice(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[start..<end])
    }

    /// Without the first and the last byte: the inside of a string.
    @inline(__always)
    var unquoted: UnsafeRawBufferPointer {
        count >= 2 ? slice(1, count - 1) : UnsafeRawBufferPointer(start: nil, count: 0)
    }
}

enum Ascii {
    static let quote = UInt8(ascii: "\"")
    static let comma = UInt8(ascii: ",")
    static let colon = UInt8(ascii: ":")
    static let openBrace = UInt8(ascii: "{")
    static let closeBrace = UInt8(ascii: "}")
    static let openBracket = UInt8(ascii: "[")
    static let closeBracket = UInt8(ascii: "]")
}
