/// What a ``JSONStream`` tells as it goes. Depths count the open containers: the root object's keys are at depth 1.
protocol JSONStreamHandler {
    /// Whether the text of the next string value is wanted; a string that is not is skipped without a copy.
    var wantsString: Bool { get }
    mutating func begin(isObject: Bool, depth: Int)
    mutating func end(depth: Int)
    mutating func key(_ name: [UInt8], depth: Int)
    /// `isWhole` is false when the text was longer than ``JSONStream/captureLimit``.
    mutating func string(_ text: [UInt8], isWhole: Bool, depth: Int)
    /// A number as it stands in the text, at most 32 bytes of it.
    mutating func number(_ text: [UInt8], depth: Int)
    /// `true`, `false`, `null`, and a string that was not wanted.
    mutating func other(depth: Int)
}

/// A push tokenizer for JSON that arrives in pieces, split anywhere: it holds no more than one string of at most
/// ``captureLimit`` bytes and 64 levels.
///
/// For answers of back ends, which may be megabytes long, cut off, or no JSON at all. It accepts a little more than
/// JSON (raw control characters in strings, loose numbers): what it must tell apart is whole from cut and ours from
/// foreign.
struct JSONStream {
    static let maximumDepth = 64

    enum State {
        case value, valueOrEnd, key, keyOrEnd, colon, commaOrEnd, string, escape, unicode, number, literal
        /// The root value is closed.
        case done
        /// No JSON, or more levels than we follow. Nothing is told from here on.
        case broken
    }

    private(set) var state: State = .value
    private(set) var depth = 0
    let captureLimit: Int

    /// One bit for each open container, the innermost lowest: 1 is an object.
    private var objects: UInt64 = 0
    private var isKey = false
    private var captures = false
    private var isWhole = true
    private var captured: [UInt8] = []
    private var unicodeDigits = 0
    private var unicodeUnit: UInt16 = 0
    private var highSurrogate: UInt16?

    init(captureLimit: Int) {
        self.captureLimit = captureLimit
    }

    /// Feeds bytes until all are taken, or until `pause` says so right after a container began or ended; returns how
    /// many were taken.
    mutating func feed<Handler: JSONStreamHandler>(
        _ bytes: UnsafeRawBufferPointer, to handler: inout Handler, pause: (Handler) -> Bool
    ) -> Int {
        var index = 0
        while index < bytes.count {
            switch state {
            case .done:
                guard Self.isBlank(bytes[index]) else {
                    state = .broken
                    return bytes.count
                }
                index += 1
            case .broken:
                return bytes.count
            case .string:
                index = takeString(bytes, from: index, handler: &handler)
            case .number, .literal:
                index = takeScalar(bytes, from: index, handler: &handler)
            case .escape:
                takeEscape(bytes[index])
                index += 1
            case .unicode:
                takeUnicodeDigit(bytes[index])
                index += 1
            case .value, .valueOrEnd, .key, .keyOrEnd, .colon, .commaOrEnd:
                let depthBefore = depth
                takeStructure(bytes[index], handler: &handler)
                index += 1
                if depth != depthBefore, pause(handler) { return index }
            }
        }
        return index
    }

    /// For a fast path that took a whole element of the innermost array by itself.
    mutating func elementWasTaken() {
        state = .commaOrEnd
    }

    /// For a fast path that took the comma after it as well.
    mutating func commaWasTaken() {
        state = .value
    }

    private var isInObject: Bool { objects & 1 == 1 }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 }

    private mutating func takeStructure<Handler: JSONStreamHandler>(_ byte: UInt8, handler: inout Handler) {
        guard !Self.isBlank(byte) else { return }
        switch (state, byte) {
        case (.value, UInt8(ascii: "{")), (.valueOrEnd, UInt8(ascii: "{")): open(isObject: true, handler: &handler)
        case (.value, UInt8(ascii: "[")), (.valueOrEnd, UInt8(ascii: "[")): open(isObject: false, handler: &handler)
        case (.value, UInt8(ascii: "\"")), (.valueOrEnd, UInt8(ascii: "\"")):
            beginString(isKey: false, captures: handler.wantsString)
        case (.key, UInt8(ascii: "\"")), (.keyOrEnd, UInt8(ascii: "\"")): beginString(isKey: true, captures: true)
        case (.valueOrEnd, UInt8(ascii: "]")): close(handler: &handler)
        case (.keyOrEnd, UInt8(ascii: "}")): close(handler: &handler)
        case (.commaOrEnd, UInt8(ascii: "]")) where !isInObject: close(handler: &handler)
        case (.commaOrEnd, UInt8(ascii: "}")) where isInObject: close(handler: &handler)
        case (.commaOrEnd, UInt8(ascii: ",")): state = isInObject ? .key : .value
        case (.colon, UInt8(ascii: ":")): state = .value
        case (.value, _) where depth > 0, (.valueOrEnd, _): beginScalar(byte)
        default: state = .broken
        }
    }

    private mutating func open<Handler: JSONStreamHandler>(isObject: Bool, handler: inout Handler) {
        guard depth < Self.maximumDepth else {
            state = .broken
            return
        }
        depth += 1
        objects = objects << 1 | (isObject ? 1 : 0)
        state = isObject ? .keyOrEnd : .valueOrEnd
        handler.begin(isObject: isObject, depth: depth)
    }

    private mutating func close<Handler: JSONStreamHandler>(handler: inout Handler) {
        handler.end(depth: depth)
        depth -= 1
        objects >>= 1
        state = depth == 0 ? .done : .commaOrEnd
    }

    private mutating func beginString(isKey: Bool, captures: Bool) {
        self.isKey = isKey
        self.captures = captures
        isWhole = true
        highSurrogate = nil
        captured.removeAll(keepingCapacity: true)
        state = depth > 0 ? .string : .broken
    }

    private mutating func takeString<Handler: JSONStreamHandler>(
        _ bytes: UnsafeRawBufferPointer, from start: Int, handler: inout Handler
    ) -> Int {
        var end = start
        while end < bytes.count, bytes[end] != UInt8(ascii: "\""), bytes[end] != UInt8(ascii: "\\") { end += 1 }
        if end > start {
            endSurrogate()
            if captures {
                let room = captureLimit - captured.count
                if end - start > room { isWhole = false }
                captured.append(
                    contentsOf: UnsafeRawBufferPointer(rebasing: bytes[start..<min(end, start + max(0, room))]))
            }
        }
        guard end < bytes.count else { return end }
        if bytes[end] == UInt8(ascii: "\\") {
            state = .escape
        } else {
            endSurrogate()
            if isKey {
                state = .colon
                if !isWhole { captured.removeAll(keepingCapacity: true) }
                handler.key(captured, depth: depth)
            } else {
                state = .commaOrEnd
                if captures {
                    handler.string(captured, isWhole: isWhole, depth: depth)
                } else {
                    handler.other(depth: depth)
                }
            }
        }
        return end + 1
    }

    private mutating func takeEscape(_ byte: UInt8) {
        state = .string
        if byte != UInt8(ascii: "u") { endSurrogate() }
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): capture([byte])
        case UInt8(ascii: "b"): capture([0x08])
        case UInt8(ascii: "f"): capture([0x0c])
        case UInt8(ascii: "n"): capture([0x0a])
        case UInt8(ascii: "r"): capture([0x0d])
        case UInt8(ascii: "t"): capture([0x09])
        case UInt8(ascii: "u"):
            unicodeDigits = 0
            unicodeUnit = 0
            state = .unicode
        default: state = .broken
        }
    }

    private mutating func takeUnicodeDigit(_ byte: UInt8) {
        guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
            state = .broken
            return
        }
        unicodeUnit = unicodeUnit << 4 | UInt16(digit)
        unicodeDigits += 1
        guard unicodeDigits == 4 else { return }
        state = .string
        if let high = highSurrogate, (0xdc00...0xdfff).contains(unicodeUnit) {
            highSurrogate = nil
            let value = 0x10000 + (UInt32(high - 0xd800) << 10 | UInt32(unicodeUnit - 0xdc00))
            captureScalar(value)
            return
        }
        endSurrogate()
        if (0xd800...0xdbff).contains(unicodeUnit) {
            highSurrogate = unicodeUnit
        } else {
            captureScalar(UInt32(unicodeUnit))
        }
    }

    /// A high surrogate that no low one followed becomes U+FFFD, as a lone low one does.
    private mutating func endSurrogate() {
        guard highSurrogate != nil else { return }
        highSurrogate = nil
        captureScalar(0xfffd)
    }

    private mutating func captureScalar(_ value: UInt32) {
        capture(Array(String(Unicode.Scalar(value) ?? "\u{fffd}").utf8))
    }

    private mutating func capture(_ bytes: [UInt8]) {
        guard captures else { return }
        guard captured.count + bytes.count <= captureLimit else {
            isWhole = false
            return
        }
        captured.append(contentsOf: bytes)
    }

    private mutating func beginScalar(_ byte: UInt8) {
        captured.removeAll(keepingCapacity: true)
        captured.append(byte)
        switch byte {
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): state = .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"): state = .literal
        default: state = .broken
        }
    }

    private mutating func takeScalar<Handler: JSONStreamHandler>(
        _ bytes: UnsafeRawBufferPointer, from start: Int, handler: inout Handler
    ) -> Int {
        var index = start
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "E"),
                UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
                if captured.count < 32 { captured.append(bytes[index]) }
                index += 1
            default:
                endScalar(handler: &handler)
                return index
            }
        }
        return index
    }

    private mutating func endScalar<Handler: JSONStreamHandler>(handler: inout Handler) {
        if state == .number {
            handler.number(captured, depth: depth)
        } else {
            guard ["true", "false", "null"].contains(where: { captured.elementsEqual($0.utf8) }) else {
                state = .broken
                return
            }
            handler.other(depth: depth)
        }
        state = .commaOrEnd
    }
}

extension [UInt8] {
    /// Whether these are the bytes of a literal.
    func isText(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in indices where self[index] != text.utf8Start[index] { return false }
        return true
    }
}
