import JSON

/// Splits a body into its elements, one after the other, without decoding them.
///
/// A body should be an array; single objects, objects one after the other, and bodies that are no JSON at all give what
/// can be had of them (`BodySplitter+Recovery.swift`). What an element is depends on the body alone, never on what came
/// before, since the digests of bodies are made from it. A copy goes on from where the original stood.
struct BodySplitter {
    let bytes: UnsafeRawBufferPointer
    let outline: JSONOutline
    let ownLinePrefix: [UInt8]
    var scanner: JSONScanner
    /// Elements given so far.
    var index = 0
    /// Bytes that failed attempts may still look at; then the rest counts as unreadable. Whole elements cost nothing, so
    /// only a body made for it runs out: without the bound, each of a million beginnings could be searched to the end.
    var budget: Int
    /// Behind this nothing looks like an event's beginning any more.
    var lastBoundary: Int
    /// The last boundary that was found, and from where on there is none before it.
    var foundFrom = Int.max
    var foundBoundary = -1
    /// Where the `}]` begins that closes the body, blanks behind it allowed; the body's end when there is none.
    let closingStart: Int
    private var isBegun = false

    /// The bytes must stay valid as long as the splitter.
    init(_ body: UnsafeRawBufferPointer, outline: JSONOutline, ownLinePrefix: [UInt8]) {
        let hasMark = body.count >= 3 && body[0] == 0xef && body[1] == 0xbb && body[2] == 0xbf
        self.bytes = body
        self.outline = outline
        self.ownLinePrefix = ownLinePrefix
        self.scanner = JSONScanner(body, from: hasMark ? 3 : 0)
        self.budget = body.count * 16 + 65_536
        self.lastBoundary = body.count
        self.closingStart = Self.closingStart(of: body)
    }

    private static func closingStart(of body: UnsafeRawBufferPointer) -> Int {
        var end = body.count
        while end > 0, body[end - 1] <= 0x20 { end -= 1 }
        guard end >= 2, body[end - 1] == Ascii.closeBracket, body[end - 2] == Ascii.closeBrace else {
            return body.count
        }
        return end - 2
    }

    /// The next element; nil behind the last.
    /// The platform sends 10,000 at most; what comes behind this many is kept as one rest.
    static let maximumElements = 131_072

    mutating func next() -> BodyElement? {
        while let byte = scanner.nextToken() {
            switch byte {
            case Ascii.comma where isBegun:
                scanner.position &+= 1
            case Ascii.closeBracket where isBegun:
                // The array's end, or one too many: what follows, if anything, is looked at like a new body.
                scanner.position &+= 1
                isBegun = false
            case Ascii.openBracket where !isBegun:
                scanner.position &+= 1
                isBegun = true
            default:
                guard index < Self.maximumElements else {
                    let start = scanner.position
                    scanner.position = bytes.count
                    index &+= 1
                    return BodyElement(.unreadable, start, bytes.count)
                }
                let isScalar = !isBegun && byte != Ascii.openBrace
                isBegun = true
                let element = element(byte, isScalar: isScalar)
                index &+= 1
                return element
            }
        }
        return controlsOnly()
    }

    /// A body of nothing but control characters is no empty body: it is one unreadable element.
    private mutating func controlsOnly() -> BodyElement? {
        guard index == 0, scanner.repairs.contains(.controlBetweenTokens), !bytes.contains(where: { $0 >= 0x20 }) else {
            return nil
        }
        index = 1
        return BodyElement(.unreadable, 0, bytes.count)
    }

    private mutating func element(_ byte: UInt8, isScalar: Bool) -> BodyElement {
        let start = scanner.position
        scanner.repairs = .none
        let scan = scanner.scanValue(outline: outline)
        let end = scanner.position
        guard case .complete = scan, followsElement(isScalar: isScalar) else {
            budget -= max(0, end - start)
            return recover(from: start)
        }
        guard byte == Ascii.openBrace else {
            var element = BodyElement(.value, start, end)
            element.record = Span(start, end)
            return element
        }
        var element = BodyElement(.object, start, end)
        if scanner.repairs.rawValue != 0 {
            element.marks.insert(.dirty)
            if scanner.repairs.contains(.escape) { element.marks.insert(.falseEscape) }
        }
        readMembers(of: &element)
        return element
    }

    /// True when what stands at the scanner's position may follow an element. A scalar that is no array's element must
    /// be the whole body: words of a text that begins with a number are no events.
    mutating func followsElement(isScalar: Bool) -> Bool {
        let end = scanner.position
        let repairs = scanner.repairs
        defer {
            scanner.position = end
            scanner.repairs = repairs
        }
        guard let next = scanner.nextToken() else { return true }
        if isScalar { return false }
        return next == Ascii.comma || next == Ascii.closeBracket || next == Ascii.openBrace
    }

    /// Sorts the members that the scan has noted. Of members with the same name the last wins.
    @inline(__always)
    private func readMembers(of element: inout BodyElement) {
        for index in 0..<outline.memberCount {
            let member = outline.members[index]
            let value = Span(member.valueStart, member.valueEnd)
            switch name(of: member) {
            case .time: element.time = value
            case .type: element.type = value
            case .record: element.record = value
            case .reserved: break
            case .other: element.marks.insert(.extras)
            }
        }
        if !outline.isComplete { readAllMembers(of: &element) }
        classify(&element)
        if element.record.isPresent, bytes[Int(element.record.start)] == Ascii.openBrace {
            readFields(of: &element)
        } else if element.kind == .extensionLogs, element.record.isPresent {
            markOwnLine(element.record, &element)
        }
    }

    /// The type's bytes decide; a type that is no string belongs to the platform's index.
    @inline(__always)
    func classify(_ element: inout BodyElement) {
        guard element.type.isPresent, bytes[Int(element.type.start)] == Ascii.quote else { return }
        let inside = element.type.of(bytes).unquoted
        element.kind = EventKind(type: inside)
        if element.kind == .unknown, inside.contains(UInt8(ascii: "\\")) {
            var decoded = JSONReader.decode(inside)
            element.kind = decoded.withUTF8 { EventKind(type: UnsafeRawBufferPointer($0)) }
        }
    }

    func markOwnLine(_ message: Span, _ element: inout BodyElement) {
        let text = message.of(bytes)
        guard text.first == Ascii.quote, text.slice(1, text.count).begins(with: ownLinePrefix) else { return }
        element.marks.insert(.ownLine)
    }

    enum Name { case time, type, record, reserved, other }

    @inline(__always)
    func name(of member: JSONMember) -> Name {
        let key = bytes.slice(member.keyStart, member.keyEnd)
        guard member.keyHasEscapes else { return Self.name(key) }
        var decoded = JSONReader.decode(key)
        return decoded.withUTF8 { Self.name(UnsafeRawBufferPointer($0)) }
    }

    @inline(__always)
    static func name(_ key: UnsafeRawBufferPointer) -> Name {
        switch key.count {
        case 4:
            if key.equals("time") { return .time }
            if key.equals("type") { return .type }
            return key.equals("faas") ? .reserved : .other
        case 5: return key.equals("cloud") ? .reserved : .other
        case 6: return key.equals("record") ? .record : .other
        case 10: return key.equals("@timestamp") ? .reserved : .other
        case 11: return key.equals("record_text") ? .reserved : .other
        default: return .other
        }
    }

    /// For an object of more members than the outline holds: once more, one by one.
    private func readAllMembers(of element: inout BodyElement) {
        let start = Int(element.whole.start)
        var reader = JSONReader(element.whole.of(bytes), maximumDepth: JSONScanner.maximumDepth)
        do throws(JSONError) {
            try reader.beginObject()
            while let key = try reader.nextKey() {
                _ = try reader.peek()
                let valueStart = start + reader.position
                try reader.skip()
                let value = Span(valueStart, start + reader.position)
                var key = key
                switch key.withUTF8({ Self.name(UnsafeRawBufferPointer($0)) }) {
                case .time: element.time = value
                case .type: element.type = value
                case .record: element.record = value
                case .reserved: break
                case .other: element.marks.insert(.extras)
                }
            }
        } catch {
            assertionFailure("a complete object cannot be read: \(error)")
        }
    }
}
