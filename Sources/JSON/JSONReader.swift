#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Pulls values out of JSON one after the other; what the caller does not ask for is skipped unread.
///
/// ```
/// try reader.beginObject()
/// while let key = try reader.nextKey() {
///     if key == "status" { status = try reader.integer() } else { try reader.skip() }
/// }
/// ```
/// After `nextKey` and after a true `nextElement` exactly one value must be read or skipped. The bytes must stay valid as
/// long as the reader. What ``JSONRepairs`` names is taken as read: raw control characters in strings stay, ill-formed
/// UTF-8 and lone surrogates become U+FFFD, a false escape stands for itself.
package struct JSONReader {
    package enum Kind: Sendable { case object, array, string, number, bool, null }

    private var scanner: JSONScanner
    private var depth = 0
    private let maximumDepth: Int
    /// True right behind an opening bracket: no comma is due yet.
    private var isFirst = false

    package init(_ bytes: UnsafeRawBufferPointer, maximumDepth: Int = 64) {
        self.scanner = JSONScanner(bytes)
        self.maximumDepth = maximumDepth
    }

    /// Runs `body` with a reader over `bytes`.
    package static func read<Result>(
        _ bytes: [UInt8], maximumDepth: Int = 64, _ body: (inout JSONReader) throws(JSONError) -> Result
    ) throws(JSONError) -> Result {
        let outcome = bytes.withUnsafeBytes { buffer in
            var reader = JSONReader(buffer, maximumDepth: maximumDepth)
            do throws(JSONError) {
                return Swift.Result<Result, JSONError>.success(try body(&reader))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    /// The byte offset of what is read next.
    package var position: Int { scanner.position }

    /// The kind of the next value, which is left in place. Only the first byte is looked at.
    package mutating func peek() throws(JSONError) -> Kind {
        switch try token() {
        case JSONBytes.openBrace: return .object
        case JSONBytes.openBracket: return .array
        case JSONBytes.quote: return .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "-"), 0x30...0x39: return .number
        default: throw .invalid(at: position)
        }
    }

    package mutating func beginObject() throws(JSONError) { try open(JSONBytes.openBrace) }
    package mutating func beginArray() throws(JSONError) { try open(JSONBytes.openBracket) }

    /// The next key, escapes decoded; nil behind the last member: then the object is read.
    package mutating func nextKey() throws(JSONError) -> String? {
        try nextRawKey().map { Self.decode($0) }
    }

    /// The next key as it is written, without its quotes; nil behind the last member: then the object is read.
    package mutating func nextRawKey() throws(JSONError) -> UnsafeRawBufferPointer? {
        guard try separate(closing: JSONBytes.closeBrace) else { return nil }
        guard try token() == JSONBytes.quote else { throw .invalid(at: position) }
        let key = try rawString().inside
        guard try token() == JSONBytes.colon else { throw .invalid(at: position) }
        scanner.position += 1
        return key
    }

    /// True before each element; false behind the last: then the array is read.
    package mutating func nextElement() throws(JSONError) -> Bool {
        try separate(closing: JSONBytes.closeBracket)
    }

    package mutating func string() throws(JSONError) -> String {
        guard try token() == JSONBytes.quote else { throw .mismatch(at: position) }
        let (inside, hasEscapes) = try rawString()
        return hasEscapes ? Self.decode(inside) : String(decoding: inside, as: UTF8.self)
    }

    /// At a quote.
    private mutating func rawString() throws(JSONError) -> (inside: UnsafeRawBufferPointer, hasEscapes: Bool) {
        scanner.position += 1
        let start = position
        var hasEscapes = false
        guard scanner.skipString(hasEscapes: &hasEscapes) else { throw .unfinished }
        return (UnsafeRawBufferPointer(rebasing: scanner.bytes[start..<position - 1]), hasEscapes)
    }

    /// The string, or nil when the value is something else, which is then skipped.
    package mutating func optionalString() throws(JSONError) -> String? {
        guard try peek() == .string else {
            try skip()
            return nil
        }
        return try string()
    }

    /// The nearest double: infinite for what is too large.
    package mutating func number() throws(JSONError) -> Double {
        guard try peek() == .number else { throw .mismatch(at: position) }
        let text = try rawValue()
        return Self.shortDecimal(text) ?? strtod(String(decoding: text, as: UTF8.self), nil)
    }

    /// A number of at most 15 digits without exponent, which a double's division gives exactly rounded; nil for others.
    private static func shortDecimal(_ text: UnsafeRawBufferPointer) -> Double? {
        guard text.count <= 16 else { return nil }
        var digits: Int64 = 0
        var fraction: Int?
        for (index, byte) in text.enumerated() {
            if byte == UInt8(ascii: "."), fraction == nil {
                fraction = text.count - index - 1
            } else if JSONBytes.isDigit(byte) {
                digits = digits * 10 + Int64(byte - 0x30)
            } else {
                return nil
            }
        }
        guard digits < 1_000_000_000_000_000 else { return nil }
        var power: Int64 = 1
        for _ in 0..<(fraction ?? 0) { power *= 10 }
        return Double(digits) / Double(power)
    }

    /// The integer, or nil when the number has a fraction that matters or lies outside `Int`.
    package mutating func integer() throws(JSONError) -> Int? {
        guard try peek() == .number else { throw .mismatch(at: position) }
        let text = String(decoding: try rawValue(), as: UTF8.self)
        return Int(text) ?? Int(exactly: strtod(text, nil))
    }

    package mutating func bool() throws(JSONError) -> Bool {
        guard try peek() == .bool else { throw .mismatch(at: position) }
        return try rawValue().first == UInt8(ascii: "t")
    }

    /// True when the value is null, which is then read; anything else is left in place.
    package mutating func null() throws(JSONError) -> Bool {
        guard try peek() == .null else { return false }
        try skip()
        return true
    }

    package mutating func skip() throws(JSONError) { _ = try rawValue() }

    /// The bytes of the next value as they stand, valid as long as the reader's own.
    package mutating func rawValue() throws(JSONError) -> UnsafeRawBufferPointer {
        _ = try token()
        let start = position
        switch scanner.scanValue() {
        case .complete: return UnsafeRawBufferPointer(rebasing: scanner.bytes[start..<position])
        case .unfinished: throw .unfinished
        case .invalid: throw .invalid(at: position)
        case .tooDeep: throw .tooDeep(at: position)
        }
    }

    /// Throws unless only blanks are left.
    package mutating func end() throws(JSONError) {
        if scanner.nextToken() != nil { throw .invalid(at: position) }
    }

    /// The text of a string whose inside is given, escapes decoded; what stands for nothing becomes U+FFFD.
    package static func decode(_ inside: UnsafeRawBufferPointer) -> String {
        guard inside.contains(JSONBytes.backslash) else { return String(decoding: inside, as: UTF8.self) }
        var units: [UInt8] = []
        units.reserveCapacity(inside.count)
        var index = 0
        while index < inside.count {
            let byte = inside[index]
            index += 1
            guard byte == JSONBytes.backslash, index < inside.count else {
                units.append(byte)
                continue
            }
            let escape = inside[index]
            index += 1
            switch escape {
            case JSONBytes.quote, JSONBytes.backslash, UInt8(ascii: "/"): units.append(escape)
            case UInt8(ascii: "b"): units.append(0x08)
            case UInt8(ascii: "f"): units.append(0x0c)
            case UInt8(ascii: "n"): units.append(0x0a)
            case UInt8(ascii: "r"): units.append(0x0d)
            case UInt8(ascii: "t"): units.append(0x09)
            case UInt8(ascii: "u"):
                guard let first = unit(inside, at: index) else {
                    units.append(contentsOf: [byte, escape])
                    continue
                }
                index += 4
                var value = first
                if (0xd800..<0xdc00).contains(first), index + 1 < inside.count, inside[index] == JSONBytes.backslash,
                    inside[index + 1] == UInt8(ascii: "u"), let second = unit(inside, at: index + 2),
                    (0xdc00..<0xe000).contains(second)
                {
                    value = 0x10000 + (first - 0xd800) << 10 + (second - 0xdc00)
                    index += 6
                }
                units.append(contentsOf: String(Unicode.Scalar(value) ?? "\u{FFFD}").utf8)
            default: units.append(contentsOf: [byte, escape])
            }
        }
        return String(decoding: units, as: UTF8.self)
    }

    private static func unit(_ inside: UnsafeRawBufferPointer, at index: Int) -> UInt32? {
        guard index + 4 <= inside.count else { return nil }
        var value: UInt32 = 0
        for offset in 0..<4 {
            guard let digit = JSONBytes.hexValue(inside[index + offset]) else { return nil }
            value = value << 4 | digit
        }
        return value
    }

    private mutating func token() throws(JSONError) -> UInt8 {
        guard let byte = scanner.nextToken() else { throw .unfinished }
        return byte
    }

    private mutating func open(_ bracket: UInt8) throws(JSONError) {
        guard try token() == bracket else { throw .mismatch(at: position) }
        guard depth < maximumDepth else { throw .tooDeep(at: position) }
        depth += 1
        scanner.position += 1
        isFirst = true
    }

    /// Before a key or an element: past the comma where one is due. False at the closing bracket, which is then read.
    private mutating func separate(closing bracket: UInt8) throws(JSONError) -> Bool {
        let byte = try token()
        let wasFirst = isFirst
        isFirst = false
        if byte == bracket {
            scanner.position += 1
            depth -= 1
            return false
        }
        if wasFirst { return true }
        guard byte == JSONBytes.comma else { throw .invalid(at: position) }
        scanner.position += 1
        // A comma promises another member: a bracket here is a trailing comma.
        guard try token() != bracket else { throw .invalid(at: position) }
        return true
    }
}
