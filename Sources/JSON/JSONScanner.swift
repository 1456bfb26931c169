/// What a scanned value holds that a line of NDJSON or a strict parser does not take. All of it can be repaired while
/// copying (``JSONBuffer/appendRepaired(_:)``), so a value with any of these still counts as complete.
package struct JSONRepairs: OptionSet, Sendable {
    package let rawValue: UInt8
    @inlinable
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    // Spelled out, since an empty literal of an option set goes through a generic initialiser, once per event.
    @inlinable package static var none: JSONRepairs { JSONRepairs(rawValue: 0) }

    /// Line feed, carriage return or tab between tokens: JSON, but not in one line.
    @inlinable package static var blanks: JSONRepairs { JSONRepairs(rawValue: 1) }
    /// Another byte below 0x20 between tokens.
    @inlinable package static var controlBetweenTokens: JSONRepairs { JSONRepairs(rawValue: 2) }
    /// A byte below 0x20 inside a string.
    @inlinable package static var controlInString: JSONRepairs { JSONRepairs(rawValue: 4) }
    /// Ill-formed UTF-8 inside a string: overlong forms, surrogates, values above U+10FFFF and cut sequences included.
    @inlinable package static var encoding: JSONRepairs { JSONRepairs(rawValue: 8) }
    /// A backslash that begins no escape of JSON.
    @inlinable package static var escape: JSONRepairs { JSONRepairs(rawValue: 16) }

    /// True when a strict parser takes the value as it is.
    package var isStrict: Bool { rawValue & ~Self.blanks.rawValue == 0 }
}

/// How a scan ended.
package enum JSONScan: Sendable {
    /// The value is whole, and valid but for what the repairs name; `position` is behind it.
    case complete
    /// The bytes end inside the value, and up to there it could become JSON.
    case unfinished
    /// Not JSON at `position`.
    case invalid
    /// Nested deeper than ``JSONScanner/maximumDepth``.
    case tooDeep
}

/// Finds where JSON values end, and whether they are JSON, without decoding anything.
///
/// Iterative: depth costs no stack, and ten thousand nested arrays are one `tooDeep`. It reads only inside the buffer it
/// was given, which must stay valid as long as the scanner. The grammar is RFC 8259's; bytes below 0x20 between tokens
/// count as blanks, since they can be dropped there.
package struct JSONScanner {
    /// Levels of arrays and objects that are validated.
    package static let maximumDepth = 1_000

    package let bytes: UnsafeRawBufferPointer
    /// Where the next scan begins, and after it where it stopped.
    package var position: Int
    /// Gathered over all scans of this scanner; the caller clears it.
    package var repairs = JSONRepairs.none

    package init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    /// The next byte that is no blank, left in place; nil at the end.
    @inline(__always)
    package mutating func nextToken() -> UInt8? {
        while position < bytes.count {
            let byte = bytes[position]
            if byte > 0x20 { return byte }
            if byte < 0x20 { noteControl(byte) }
            position &+= 1
        }
        return nil
    }

    @inline(never)
    private mutating func noteControl(_ byte: UInt8) {
        note(byte == 0x0a || byte == 0x0d || byte == 0x09 ? .blanks : .controlBetweenTokens)
    }

    @inline(__always)
    private mutating func note(_ repair: JSONRepairs) {
        repairs = JSONRepairs(rawValue: repairs.rawValue | repair.rawValue)
    }

    /// With `position` behind an opening quote: moves behind the closing one and returns true; at the end of the bytes
    /// without one returns false.
    @inline(__always)
    package mutating func skipString(hasEscapes: inout Bool) -> Bool {
        while true {
            position = JSONBytes.nextSpecial(bytes, from: position)
            guard position < bytes.count else { return false }
            let byte = bytes[position]
            if byte == JSONBytes.quote {
                position &+= 1
                return true
            }
            if byte == JSONBytes.backslash {
                hasEscapes = true
                guard skipEscape() else { return false }
            } else {
                skipOddBytes()
            }
        }
    }

    /// At a backslash. False when the bytes end inside the escape.
    @inline(__always)
    private mutating func skipEscape() -> Bool {
        guard position &+ 1 < bytes.count else {
            position = bytes.count
            return false
        }
        let byte = bytes[position &+ 1]
        if JSONBytes.isShortEscape(byte) {
            position &+= 2
            return true
        }
        guard byte == UInt8(ascii: "u") else {
            // Only the backslash is skipped: what follows may be a control character or a UTF-8 sequence.
            note(.escape)
            position &+= 1
            return true
        }
        for offset in 2..<6 {
            guard position &+ offset < bytes.count else {
                position = bytes.count
                return false
            }
            guard JSONBytes.hexValue(bytes[position &+ offset]) != nil else {
                note(.escape)
                position &+= 2
                return true
            }
        }
        position &+= 6
        return true
    }

    /// At a byte below 0x20 or above 0x7f inside a string: behind the run of such bytes.
    @inline(never)
    private mutating func skipOddBytes() {
        while position < bytes.count {
            let byte = bytes[position]
            if byte > 0x7f {
                let length = JSONBytes.sequenceLength(bytes, at: position)
                if length < 0 { note(.encoding) }
                position &+= abs(length)
            } else if byte < 0x20 {
                note(.controlInString)
                position &+= 1
            } else {
                return
            }
        }
    }

    /// Scans the value that begins at or behind `position`, blanks skipped. With an outline the members of the value
    /// and of its member objects are noted in it.
    package mutating func scanValue(outline: JSONOutline? = nil) -> JSONScan {
        outline?.reset()
        var containers = ContainerStack()
        guard let first = nextToken() else { return .unfinished }
        var byte = first
        var mayClose = false
        while true {
            // At the first byte of a value, or, with `mayClose`, of an array's end.
            var isClosed = true
            switch byte {
            case JSONBytes.quote:
                position &+= 1
                var hasEscapes = false
                guard skipString(hasEscapes: &hasEscapes) else { return .unfinished }
            case JSONBytes.openBrace:
                guard containers.push(isObject: true) else { return .tooDeep }
                position &+= 1
                guard let next = nextToken() else { return .unfinished }
                if next == JSONBytes.closeBrace {
                    position &+= 1
                    containers.pop()
                } else {
                    if let stop = scanKey(containers.depth, outline) { return stop }
                    isClosed = false
                }
            case JSONBytes.openBracket:
                guard containers.push(isObject: false) else { return .tooDeep }
                position &+= 1
                mayClose = true
                guard let next = nextToken() else { return .unfinished }
                byte = next
                continue
            case JSONBytes.closeBracket where mayClose:
                position &+= 1
                containers.pop()
            case UInt8(ascii: "-"), 0x30...0x39:
                let scan = scanNumber()
                guard case .complete = scan else { return scan }
            default:
                let scan = scanLiteral(byte)
                guard case .complete = scan else { return scan }
            }
            mayClose = false
            // Behind a value, or at the value of the key that an object began with.
            while isClosed {
                if containers.depth == 0 { return .complete }
                if containers.depth <= 2, containers.isObject { outline?.close(at: position, depth: containers.depth) }
                guard let next = nextToken() else { return .unfinished }
                position &+= 1
                if next == JSONBytes.comma {
                    if containers.isObject {
                        guard let key = nextToken() else { return .unfinished }
                        guard key == JSONBytes.quote else { return .invalid }
                        if let stop = scanKey(containers.depth, outline) { return stop }
                    }
                    isClosed = false
                } else if next == (containers.isObject ? JSONBytes.closeBrace : JSONBytes.closeBracket) {
                    containers.pop()
                } else {
                    position &-= 1
                    return .invalid
                }
            }
            guard let next = nextToken() else { return .unfinished }
            byte = next
        }
    }

    /// At what should be a key: behind its colon and the blanks there. Nil means go on.
    @inline(__always)
    private mutating func scanKey(_ depth: Int, _ outline: JSONOutline?) -> JSONScan? {
        guard bytes[position] == JSONBytes.quote else { return .invalid }
        position &+= 1
        let start = position
        var hasEscapes = false
        guard skipString(hasEscapes: &hasEscapes) else { return .unfinished }
        let end = position &- 1
        guard let colon = nextToken() else { return .unfinished }
        guard colon == JSONBytes.colon else { return .invalid }
        position &+= 1
        guard nextToken() != nil else { return .unfinished }
        if depth <= 2, let outline {
            outline.note(
                JSONMember(
                    keyStart: start, keyEnd: end, valueStart: position, valueEnd: position, keyHasEscapes: hasEscapes),
                depth: depth)
        }
        return nil
    }

    /// At a minus sign or digit.
    private mutating func scanNumber() -> JSONScan {
        if bytes[position] == UInt8(ascii: "-") {
            position &+= 1
            guard position < bytes.count else { return .unfinished }
        }
        guard JSONBytes.isDigit(bytes[position]) else { return .invalid }
        if bytes[position] == UInt8(ascii: "0") {
            position &+= 1
            if position < bytes.count, JSONBytes.isDigit(bytes[position]) { return .invalid }
        } else {
            skipDigits()
        }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position &+= 1
            guard position < bytes.count else { return .unfinished }
            guard JSONBytes.isDigit(bytes[position]) else { return .invalid }
            skipDigits()
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position &+= 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position &+= 1
            }
            guard position < bytes.count else { return .unfinished }
            guard JSONBytes.isDigit(bytes[position]) else { return .invalid }
            skipDigits()
        }
        return .complete
    }

    @inline(__always)
    private mutating func skipDigits() {
        while position < bytes.count, JSONBytes.isDigit(bytes[position]) { position &+= 1 }
    }

    private mutating func scanLiteral(_ first: UInt8) -> JSONScan {
        let literal: StaticString
        switch first {
        case UInt8(ascii: "t"): literal = "true"
        case UInt8(ascii: "f"): literal = "false"
        case UInt8(ascii: "n"): literal = "null"
        default: return .invalid
        }
        for index in 0..<literal.utf8CodeUnitCount {
            guard position < bytes.count else { return .unfinished }
            guard bytes[position] == literal.utf8Start[index] else { return .invalid }
            position &+= 1
        }
        return .complete
    }
}

/// Which of the open containers are objects: one bit each.
private struct ContainerStack {
    private(set) var depth = 0
    /// Of the innermost container; meaningless at depth 0.
    private(set) var isObject = false
    private var words = SIMD16<UInt64>(repeating: 0)

    @inline(__always)
    mutating func push(isObject: Bool) -> Bool {
        guard depth < JSONScanner.maximumDepth else { return false }
        let bit = UInt64(1) << UInt64(truncatingIfNeeded: depth & 63)
        let word = depth >> 6
        if isObject { words[word] |= bit } else { words[word] &= ~bit }
        depth &+= 1
        self.isObject = isObject
        return true
    }

    @inline(__always)
    mutating func pop() {
        depth &-= 1
        guard depth > 0 else { return }
        let index = depth &- 1
        isObject = words[index >> 6] >> UInt64(truncatingIfNeeded: index & 63) & 1 == 1
    }
}
