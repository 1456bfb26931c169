import JSON

/// The shape in which a document that could not be mapped is tried once more, under the same `_id`: the scalar fields
/// we know, and everything else as text in `record_text`, which is mapped as text and takes any.
///
/// Nothing is lost: `record_text` is the record's JSON text, or, when other fields had to go there too, that of an
/// object with all of them.
package enum SafeShape {
    /// Longest value, in bytes of JSON, that stays a field: well below the longest term of a keyword.
    private static let maximumFieldLength = 4096

    /// - Parameter line: A document line without its newline. One that is no JSON object becomes text as a whole.
    /// - Returns: A document line without newline.
    package static func document(from line: [UInt8]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        do throws(JSONError) {
            let members = try members(of: line)
            var rest: [Member] = []
            var written: Set<String> = []
            for member in members {
                if written.contains(member.key) || !isSafe(member) {
                    rest.append(member)
                } else {
                    writer.key(member.key)
                    writer.raw(member.value)
                    written.insert(member.key)
                }
            }
            writer.key(textField)
            writer.string(utf8: text(of: rest))
        } catch {
            writer.key(textField)
            writer.string(utf8: line)
        }
        writer.endObject()
        return writer.bytes
    }

    /// True for a document that is in the safe shape already: refused again, it is a reject.
    package static func isSafe(_ line: [UInt8]) -> Bool {
        guard let members = try? members(of: line) else { return false }
        return members.contains { $0.key == textField } && !members.contains { $0.key == "record" }
    }

    package static let textField = "record_text"

    private struct Member {
        var key: String
        var value: [UInt8]
    }

    private static func members(of line: [UInt8]) throws(JSONError) -> [Member] {
        try JSONReader.read(line) { reader throws(JSONError) in
            var members: [Member] = []
            try reader.beginObject()
            while let key = try reader.nextKey() {
                members.append(Member(key: key, value: Array(try reader.rawValue())))
            }
            try reader.end()
            return members
        }
    }

    private static func text(of rest: [Member]) -> [UInt8] {
        if rest.isEmpty { return [] }
        if rest.count == 1, rest[0].key == "record" { return rest[0].value }
        var writer = JSONWriter()
        writer.beginObject()
        for member in rest {
            writer.key(member.key)
            writer.raw(member.value)
        }
        writer.endObject()
        return writer.bytes
    }

    private static func isSafe(_ member: Member) -> Bool {
        guard member.value.count <= maximumFieldLength else { return false }
        switch member.key {
        case "@timestamp", "time": return isInstant(member.value)
        case "type": return member.value.first == UInt8(ascii: "\"")
        case "faas": return holdsOnlyStrings(member.value, allowed: ["name", "version", "instance", "invocation_id"])
        case "cloud": return isCloud(member.value)
        default: return false
        }
    }

    /// `"YYYY-MM-DDThh:mm:ss[.f…]Z"` with 1 to 9 digits of fraction and every part in its range: what every default
    /// date format takes. Day 31 is let through in every month only for those that have it.
    private static func isInstant(_ value: [UInt8]) -> Bool {
        let pattern = Array("\"0000-00-00T00:00:00".utf8)
        guard value.count >= pattern.count + 2, value.last == UInt8(ascii: "\"") else { return false }
        for (byte, expected) in zip(value, pattern) {
            guard expected == UInt8(ascii: "0") ? isDigit(byte) : byte == expected else { return false }
        }
        var tail = value[pattern.count..<(value.count - 1)]
        if tail.first == UInt8(ascii: ".") {
            tail = tail.dropFirst()
            let digits = tail.prefix(while: isDigit).count
            guard (1...9).contains(digits) else { return false }
            tail = tail.dropFirst(digits)
        }
        guard tail.elementsEqual([UInt8(ascii: "Z")]) else { return false }
        func number(_ range: Range<Int>) -> Int { value[range].reduce(0) { $0 * 10 + Int($1 - 0x30) } }
        let year = number(1..<5)
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        let month = number(6..<8)
        return (1...12).contains(month) && (1...days[month - 1]).contains(number(9..<11)) && number(12..<14) < 24
            && number(15..<17) < 60 && number(18..<20) < 60
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func holdsOnlyStrings(_ value: [UInt8], allowed: Set<String>) -> Bool {
        let outcome = try? JSONReader.read(value) { reader throws(JSONError) in
            try onlyStrings(&reader, allowed: allowed)
        }
        return outcome ?? false
    }

    private static func isCloud(_ value: [UInt8]) -> Bool {
        let outcome = try? JSONReader.read(value) { reader throws(JSONError) in
            var seen: Set<String> = []
            var isGood = true
            try reader.beginObject()
            while let key = try reader.nextKey() {
                isGood = seen.insert(key).inserted && isGood
                switch (key, try reader.peek()) {
                case ("account", .object): isGood = try onlyStrings(&reader, allowed: ["id"]) && isGood
                case ("region", .string): try reader.skip()
                default:
                    try reader.skip()
                    isGood = false
                }
            }
            return isGood
        }
        return outcome ?? false
    }

    private static func onlyStrings(_ reader: inout JSONReader, allowed: Set<String>) throws(JSONError) -> Bool {
        guard try reader.peek() == .object else {
            try reader.skip()
            return false
        }
        var seen: Set<String> = []
        var isGood = true
        try reader.beginObject()
        while let key = try reader.nextKey() {
            isGood = allowed.contains(key) && seen.insert(key).inserted && isGood
            isGood = try reader.peek() == .string && isGood
            try reader.skip()
        }
        return isGood
    }
}
