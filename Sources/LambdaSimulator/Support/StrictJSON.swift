/// Why bytes are not the JSON that an OpenSearch node reads, under the names it answers with.
package struct StrictJSONError: Error, Equatable, Sendable {
    /// For example `json_parse_exception`.
    package var type: String
    package var reason: String

    static func parse(_ reason: String) -> StrictJSONError { .init(type: "json_parse_exception", reason: reason) }
    static func end(_ reason: String) -> StrictJSONError { .init(type: "json_e_o_f_exception", reason: reason) }
}

/// A JSON parser as strict, and as lax, as the one in OpenSearch 2.19 was seen to be: duplicate keys, raw control
/// characters, broken UTF-8 and numbers of more than 1,000 digits are refused; comments, a byte order mark and lone
/// surrogates are not. It shares no code with the product, so that it can judge it.
package struct StrictJSON {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var depth = 0

    /// Deeper documents are refused: the parser recurses.
    static let deepest = 6_000

    package static func parse(_ bytes: some Collection<UInt8>) throws(StrictJSONError) -> JSONValue {
        let result: Result<JSONValue, StrictJSONError>? = bytes.withContiguousStorageIfAvailable { buffer in
            parseBuffer(UnsafeRawBufferPointer(buffer))
        }
        if let result { return try result.get() }
        let copy = Array(bytes)
        return try copy.withUnsafeBytes { parseBuffer($0) }.get()
    }

    package static func parse(_ text: String) throws(StrictJSONError) -> JSONValue { try parse(Array(text.utf8)) }

    package static func parseBuffer(_ bytes: UnsafeRawBufferPointer) -> Result<JSONValue, StrictJSONError> {
        var parser = StrictJSON(bytes: bytes)
        do throws(StrictJSONError) {
            if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { parser.position = 3 }
            let value = try parser.value()
            try parser.skipBlanks()
            guard parser.position == bytes.count else {
                throw StrictJSONError.parse("Unexpected text after the value at offset \(parser.position)")
            }
            return .success(value)
        } catch {
            return .failure(error)
        }
    }

    private init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    private func peek() throws(StrictJSONError) -> UInt8 {
        guard position < bytes.count else { throw .end("Unexpected end-of-input") }
        return bytes[position]
    }

    private mutating func skipBlanks() throws(StrictJSONError) {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            case UInt8(ascii: "/"): try skipComment()
            default: return
            }
        }
    }

    private mutating func skipComment() throws(StrictJSONError) {
        guard position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "*") else {
            throw .parse("Unexpected character ('/')")
        }
        position += 2
        while position + 1 < bytes.count {
            if bytes[position] == UInt8(ascii: "*"), bytes[position + 1] == UInt8(ascii: "/") {
                position += 2
                return
            }
            position += 1
        }
        throw .end("Unexpected end-of-input in a comment")
    }

    private mutating func value() throws(StrictJSONError) -> JSONValue {
        try skipBlanks()
        switch try peek() {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        default: return try word()
        }
    }

    private mutating func descend() throws(StrictJSONError) {
        depth += 1
        guard depth <= Self.deepest else {
            throw StrictJSONError(
                type: "stream_constraints_exception", reason: "Document nesting depth (\(depth)) exceeds the maximum")
        }
        position += 1
        try skipBlanks()
    }

    private mutating func object() throws(StrictJSONError) -> JSONValue {
        try descend()
        defer { depth -= 1 }
        var members: [JSONValue.Member] = []
        var names: Set<String> = []
        if try peek() == UInt8(ascii: "}") {
            position += 1
            return .object(members)
        }
        while true {
            try skipBlanks()
            guard try peek() == UInt8(ascii: "\"") else {
                throw .parse("Unexpected character: was expecting double-quote to start field name")
            }
            let name = try string()
            // Up to eight names a linear look is cheaper than a set.
            let isTwice = members.count < 8 ? members.contains { $0.name == name } : names.contains(name)
            guard !isTwice else { throw .parse("Duplicate field '\(name)'") }
            try skipBlanks()
            guard try peek() == UInt8(ascii: ":") else {
                throw .parse("Unexpected character: was expecting a colon to separate field name and value")
            }
            position += 1
            members.append(JSONValue.Member(name, try value()))
            if members.count == 8 { names = Set(members.map(\.name)) } else if members.count > 8 { names.insert(name) }
            try skipBlanks()
            switch try peek() {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return .object(members)
            default: throw .parse("Unexpected character: was expecting comma to separate Object entries")
            }
        }
    }

    private mutating func array() throws(StrictJSONError) -> JSONValue {
        try descend()
        defer { depth -= 1 }
        var values: [JSONValue] = []
        if try peek() == UInt8(ascii: "]") {
            position += 1
            return .array(values)
        }
        while true {
            values.append(try value())
            try skipBlanks()
            switch try peek() {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return .array(values)
            default: throw .parse("Unexpected character: was expecting comma to separate Array entries")
            }
        }
    }

    private mutating func word() throws(StrictJSONError) -> JSONValue {
        for (text, value) in [("true", JSONValue.bool(true)), ("false", .bool(false)), ("null", .null)] {
            let end = position + text.utf8.count
            guard end <= bytes.count, bytes[position..<end].elementsEqual(text.utf8) else { continue }
            if end < bytes.count, Self.isWordByte(bytes[end]) { continue }
            position = end
            return value
        }
        var end = position
        while end < bytes.count, Self.isWordByte(bytes[end]) { end += 1 }
        if end == position {
            throw .parse("Unexpected character (code \(bytes[position]))")
        }
        throw .parse("Unrecognized token '\(String(decoding: bytes[position..<end], as: UTF8.self))'")
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private func isDigit(at index: Int) -> Bool {
        index < bytes.count && bytes[index] >= UInt8(ascii: "0") && bytes[index] <= UInt8(ascii: "9")
    }

    private mutating func number() throws(StrictJSONError) -> String {
        let start = position
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        guard isDigit(at: position) else { throw .parse("Unexpected character in numeric value") }
        if bytes[position] == UInt8(ascii: "0"), isDigit(at: position + 1) {
            throw .parse("Invalid numeric value: Leading zeroes not allowed")
        }
        while isDigit(at: position) { position += 1 }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            guard isDigit(at: position) else { throw .parse("Decimal point not followed by a digit") }
            while isDigit(at: position) { position += 1 }
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position += 1
            }
            guard isDigit(at: position) else { throw .parse("Exponent indicator not followed by a digit") }
            while isDigit(at: position) { position += 1 }
        }
        if position < bytes.count, Self.isWordByte(bytes[position]) {
            throw .parse("Unexpected character in numeric value")
        }
        guard position - start <= 1000 else {
            throw StrictJSONError(
                type: "stream_constraints_exception",
                reason: "Number value length (\(position - start)) exceeds the maximum allowed (1000)")
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }
}

// MARK: Strings

extension StrictJSON {
    private mutating func string() throws(StrictJSONError) -> String {
        position += 1
        let start = position
        // The common case first: nothing to decode.
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return String(decoding: bytes[start..<(position - 1)], as: UTF8.self)
            }
            if byte == UInt8(ascii: "\\") || byte < 0x20 || byte >= 0x80 { break }
            position += 1
        }
        var decoded = Array(bytes[start..<position])
        while true {
            guard position < bytes.count else { throw .end("Unexpected end-of-input in a string") }
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return String(decoding: decoded, as: UTF8.self)
            case UInt8(ascii: "\\"): try escape(into: &decoded)
            case 0..<0x20:
                throw .parse(
                    "Illegal unquoted character ((CTRL-CHAR, code \(byte))): has to be escaped using backslash")
            case 0x20..<0x80:
                decoded.append(byte)
                position += 1
            default: try multibyte(into: &decoded)
            }
        }
    }

    /// Lead and continuation bytes are checked, ranges are not: encoded surrogates and overlong forms pass, as there.
    private mutating func multibyte(into decoded: inout [UInt8]) throws(StrictJSONError) {
        let lead = bytes[position]
        let more: Int
        switch lead {
        case 0xC0...0xDF: more = 1
        case 0xE0...0xEF: more = 2
        case 0xF0...0xF7: more = 3
        default: throw .parse("Invalid UTF-8 start byte 0x\(String(lead, radix: 16))")
        }
        for offset in 1...more {
            guard position + offset < bytes.count else { throw .end("Unexpected end-of-input in a string") }
            guard bytes[position + offset] & 0xC0 == 0x80 else {
                throw .parse("Invalid UTF-8 middle byte 0x\(String(bytes[position + offset], radix: 16))")
            }
        }
        decoded.append(contentsOf: bytes[position...(position + more)])
        position += more + 1
    }

    private mutating func escape(into decoded: inout [UInt8]) throws(StrictJSONError) {
        position += 1
        let kind = try peek()
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): decoded.append(kind)
        case UInt8(ascii: "b"): decoded.append(0x08)
        case UInt8(ascii: "f"): decoded.append(0x0C)
        case UInt8(ascii: "n"): decoded.append(0x0A)
        case UInt8(ascii: "r"): decoded.append(0x0D)
        case UInt8(ascii: "t"): decoded.append(0x09)
        case UInt8(ascii: "u"): try unicodeEscape(into: &decoded)
        default: throw .parse("Unrecognized character escape (code \(kind))")
        }
    }

    private mutating func unicodeEscape(into decoded: inout [UInt8]) throws(StrictJSONError) {
        let unit = try hexadecimals()
        if unit & 0xFC00 == 0xD800, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        {
            let mark = position
            position += 2
            let low = try hexadecimals()
            if low & 0xFC00 == 0xDC00 {
                let scalar = 0x10000 + (unit & 0x3FF) << 10 + low & 0x3FF
                if let scalar = Unicode.Scalar(scalar) { decoded.append(contentsOf: String(Character(scalar)).utf8) }
                return
            }
            position = mark
        }
        guard let scalar = Unicode.Scalar(unit) else {
            decoded.append(contentsOf: "\u{FFFD}".utf8)
            return
        }
        decoded.append(contentsOf: String(Character(scalar)).utf8)
    }

    private mutating func hexadecimals() throws(StrictJSONError) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            let byte = try peek()
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw .parse("Unexpected character: expected a hex-digit for character escape sequence")
            }
            unit = unit << 4 | UInt32(digit)
            position += 1
        }
        return unit
    }
}
