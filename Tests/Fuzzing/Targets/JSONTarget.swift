import JSON
import LambdaSimulator

/// Scanner, reader, outline and repair over any bytes.
enum JSONTarget {
    static func check(_ bytes: [UInt8]) throws {
        let scan = Scan(bytes)
        try expect(scan.position <= bytes.count, "the scanner left the bytes")
        if Oracle.isCompetent(bytes) {
            try expectEqual(scan.isStrict, Oracle.accepts(bytes), "scanner and Foundation differ")
        }
        let read = try? JSONReader.read(bytes, maximumDepth: JSONScanner.maximumDepth) { (reader) throws(JSONError) in
            let value = try Self.value(&reader)
            try reader.end()
            return value
        }
        try expectEqual(read != nil, scan.isWhole, "reader and scanner differ")
        if let read, scan.isStrict, let judged = try? StrictJSON.parse(bytes) {
            try expect(read == judged, "read \(read.description), not \(judged.description)")
        }
        try outline(bytes, scan)
        if scan.isWhole { try repaired(bytes, scan) }
        try escaped(bytes)
        try balanced(bytes)
    }

    private struct Scan {
        var isWhole = false
        var isStrict = false
        var position = 0

        init(_ bytes: [UInt8]) {
            bytes.withUnsafeBytes { buffer in
                var scanner = JSONScanner(buffer)
                let outcome = scanner.scanValue()
                if case .complete = outcome, scanner.nextToken() == nil { isWhole = true }
                isStrict = isWhole && scanner.repairs.isStrict
                position = scanner.position
            }
        }
    }

    /// Reads every value with the method for it.
    private static func value(_ reader: inout JSONReader) throws(JSONError) -> JSONValue {
        switch try reader.peek() {
        case .object:
            var members: [JSONValue.Member] = []
            try reader.beginObject()
            while let key = try reader.nextKey() { members.append(.init(key, try value(&reader))) }
            return .object(members)
        case .array:
            var values: [JSONValue] = []
            try reader.beginArray()
            while try reader.nextElement() { values.append(try value(&reader)) }
            return .array(values)
        case .string: return .string(try reader.string())
        case .number:
            var twin = reader
            var integers = reader
            let text = String(decoding: try reader.rawValue(), as: UTF8.self)
            let number = try twin.number()
            let integer = try integers.integer()
            // Swift's own reading of the text is the judge: the nearest double, infinite beyond.
            guard number == Double(text), integer == Int(text) ?? Int(exactly: number) else {
                throw .mismatch(at: reader.position)
            }
            return .number(text)
        case .bool: return .bool(try reader.bool())
        case .null:
            guard try reader.null() else { throw .mismatch(at: reader.position) }
            return .null
        }
    }

    /// The outline notes what the reader finds, in two levels.
    private static func outline(_ bytes: [UInt8], _ scan: Scan) throws {
        let outline = JSONOutline()
        let isComplete = bytes.withUnsafeBytes { buffer in
            var scanner = JSONScanner(buffer)
            if case .complete = scanner.scanValue(outline: outline) { return true }
            return false
        }
        try expect(outline.memberCount <= JSONOutline.capacity && outline.fieldCount <= JSONOutline.capacity, "outline")
        guard isComplete, scan.isWhole else { return }
        var members: [String] = []
        var fields: [String] = []
        try JSONReader.read(bytes, maximumDepth: JSONScanner.maximumDepth) { (reader) throws(JSONError) in
            guard try reader.peek() == .object else { return }
            try reader.beginObject()
            while let key = try reader.nextKey() {
                var inner = reader
                members.append("\(key): \(String(decoding: try reader.rawValue(), as: UTF8.self))")
                guard try inner.peek() == .object else { continue }
                try inner.beginObject()
                while let key = try inner.nextKey() {
                    fields.append("\(key): \(String(decoding: try inner.rawValue(), as: UTF8.self))")
                }
            }
        }
        let text = { (noted: UnsafeMutablePointer<JSONMember>, count: Int) in
            (0..<count).map { index in
                let member = noted[index]
                let key = bytes[member.keyStart..<member.keyEnd].withUnsafeBytes { JSONReader.decode($0) }
                return "\(key): \(String(decoding: bytes[member.valueStart..<member.valueEnd], as: UTF8.self))"
            }
        }
        try expectEqual(
            text(outline.members, outline.memberCount), Array(members.prefix(JSONOutline.capacity)), "members")
        try expectEqual(text(outline.fields, outline.fieldCount), Array(fields.prefix(JSONOutline.capacity)), "fields")
        try expectEqual(outline.isComplete, members.count <= JSONOutline.capacity, "isComplete")
        try expectEqual(outline.hasAllFields, fields.count <= JSONOutline.capacity, "hasAllFields")
    }

    /// What the scanner calls whole can be made one line of JSON, and stays what it was if it needed nothing.
    private static func repaired(_ bytes: [UInt8], _ scan: Scan) throws {
        let line = repair(bytes)
        try expect(Oracle.isStrict(line), "repaired is not strict")
        try expect(!line.contains { $0 < 0x20 }, "repaired is not one line")
        if Oracle.isCompetent(line) { try expect(Oracle.accepts(line), "Foundation refuses what was repaired") }
        try expect(repair(line) == line, "repaired twice is not repaired once")
        if scan.isStrict { try expect(line == bytes.filter { $0 >= 0x20 }, "JSON was changed") }
    }

    private static func repair(_ bytes: [UInt8]) -> [UInt8] {
        let buffer = JSONBuffer()
        bytes.withUnsafeBytes { buffer.appendRepaired($0) }
        return Array(buffer.bytes)
    }

    /// Any bytes are the text of a string, and it reads back as Swift reads them.
    private static func escaped(_ bytes: [UInt8]) throws {
        let buffer = JSONBuffer()
        buffer.append("\"")
        bytes.withUnsafeBytes { buffer.appendEscaped($0) }
        buffer.append("\"")
        let written = Array(buffer.bytes)
        try expect(Oracle.isStrict(written) && !written.contains { $0 < 0x20 }, "escaped is no line of JSON")
        let text = try JSONReader.read(written) { (reader) throws(JSONError) in try reader.string() }
        try expect(
            text.utf8.elementsEqual(String(decoding: bytes, as: UTF8.self).utf8), "escaped reads back as another")
        try expect(.string(text) == (try StrictJSON.parse(written)), "escaped is read by others as another")
    }

    private static func balanced(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { buffer in
            let scanner = JSONScanner(buffer)
            for limit in [bytes.count / 2, bytes.count] {
                guard let end = scanner.balancedEnd(from: 0, limit: limit) else { continue }
                try expect(end <= limit, "an end behind the limit")
            }
            // A whole array or object ends where its brackets say.
            var whole = scanner
            guard case .complete = whole.scanValue(), let first = bytes.first, first == 0x7b || first == 0x5b else {
                return
            }
            try expectEqual(scanner.balancedEnd(from: 0, limit: bytes.count), whole.position, "brackets")
        }
    }
}
