import Glibc

/// Finds one HTTP/1.x request in bytes that arrive piece by piece. Pure: no socket, no clock.
///
/// libevent's own `evhttp` cannot keep the listener's limits (2.1.12, tried): it shows a request only when it is
/// complete, so that neither a deadline for it nor a bound over all unfinished bodies can be had; a length announced
/// over the limit is answered only after the whole body has come, a client still sending chunks over it is cut off;
/// unknown methods are answered 501. It also reads 4 KiB at a time, and ends the process (`event_errx`) in states it
/// thinks impossible.
///
/// Strict where leniency lets two readers disagree about where a request ends (RFC 9112 §6.3, §11.2): both lengths at
/// once, differing lengths, blanks before a colon, folded lines and unknown codings are refused. Lenient about a bare
/// line feed and about empty lines before the request line (§2.2).
package struct HTTPRequestParser {
    /// Where the parts lie in the buffer, relative to its start.
    package struct Head {
        package struct Field {
            package let name: Range<Int>
            package let value: Range<Int>
        }

        package var method: Range<Int> = 0..<0
        package var target: Range<Int> = 0..<0
        var minorVersion = 1
        package var fields: [Field] = []
        package var keepsAlive = true
        package var expectsContinue = false
    }

    package enum Progress: Equatable {
        case needsMore
        /// The body lies at `body`; what follows it is the next request.
        case complete(body: Range<Int>)
        /// The status that answers it. Where this request ends is not known.
        case refused(Int)
    }

    private enum State {
        case head
        case sizedBody(length: Int)
        case chunkSize
        case chunk(left: Int)
        case chunkEnd
        case trailer
        case done(Progress)
    }

    /// A chunk's size and extensions, without the line feed.
    private static let chunkLineBytes = 1024

    private let limits: HTTPServerLimits
    private var state = State.head
    /// In the head: where the present line begins.
    private var lineStart = 0
    /// Up to here no line feed was found in the present line.
    private var searched = 0
    package private(set) var head = Head()
    private(set) var isHeadComplete = false
    /// Length of the head once it is complete: where the body begins.
    private(set) var bodyStart = 0
    /// Bytes of the body, without chunk framing, that are in the buffer.
    private(set) var bodyReceived = 0
    private var trailerBytes = 0

    package init(limits: HTTPServerLimits) {
        self.limits = limits
    }

    /// Bytes that are known to be missing; `nil` while only more input can tell.
    var missing: Int? {
        if case .sizedBody(let length) = state { length - bodyReceived } else { nil }
    }

    /// Looks at what is new in the buffer. Chunk framing is taken out of it, so that the body is one piece.
    package mutating func advance(_ buffer: ReceiveBuffer) -> Progress {
        var cursor = bodyEnd
        let progress = read(buffer, &cursor)
        // All framing of this pass at once: chunk by chunk, a body of tiny chunks would cost quadratic time.
        if isHeadComplete, cursor > bodyEnd { buffer.remove(bodyEnd..<cursor) }
        return progress
    }

    /// - Parameter cursor: the first byte that is not read yet, once the head is complete.
    private mutating func read(_ buffer: ReceiveBuffer, _ cursor: inout Int) -> Progress {
        let bytes = buffer.bytes
        while true {
            switch state {
            case .head:
                if let progress = readHead(UnsafeRawBufferPointer(bytes)) { return progress }
                cursor = bodyStart
            case .sizedBody(let length):
                bodyReceived = min(length, bytes.count - bodyStart)
                cursor = bodyEnd
                guard bodyReceived == length else { return .needsMore }
                return finish(.complete(body: bodyStart..<bodyEnd))
            case .chunkSize:
                let start = cursor
                guard let line = Self.line(bytes, from: &cursor) else {
                    return bytes.count - start > Self.chunkLineBytes ? finish(.refused(400)) : .needsMore
                }
                guard cursor - start <= Self.chunkLineBytes + 1 else { return finish(.refused(400)) }
                // Extensions mean nothing to us (RFC 9112 §7.1.1).
                let digits = bytes[line].prefix { $0 != UInt8(ascii: ";") && !Self.isBlank($0) }
                guard let size = Self.hexadecimal(digits) else { return finish(.refused(400)) }
                guard size <= limits.bodyBytes - bodyReceived else { return finish(.refused(413)) }
                state = size == 0 ? .trailer : .chunk(left: size)
            case .chunk(let left):
                let arrived = min(left, bytes.count - cursor)
                if cursor > bodyEnd, let base = bytes.baseAddress { memmove(base + bodyEnd, base + cursor, arrived) }
                bodyReceived += arrived
                cursor += arrived
                state = arrived == left ? .chunkEnd : .chunk(left: left - arrived)
                if arrived < left { return .needsMore }
            case .chunkEnd:
                guard let line = Self.line(bytes, from: &cursor) else {
                    return bytes.count - cursor > 1 ? finish(.refused(400)) : .needsMore
                }
                guard line.isEmpty else { return finish(.refused(400)) }
                state = .chunkSize
            case .trailer:
                // Read over: nothing here wants trailer fields, and merged into the head they could forge it.
                let start = cursor
                let line = Self.line(bytes, from: &cursor)
                guard trailerBytes + (line == nil ? bytes.count : cursor) - start <= limits.headerBytes else {
                    return finish(.refused(431))
                }
                guard let line else { return .needsMore }
                trailerBytes += cursor - start
                if line.isEmpty { return finish(.complete(body: bodyStart..<bodyEnd)) }
            case .done(let progress):
                return progress
            }
        }
    }

    /// The line at the cursor without its end; the cursor moves behind it. Nil: not all there yet.
    private static func line(_ bytes: UnsafeMutableRawBufferPointer, from cursor: inout Int) -> Range<Int>? {
        guard let end = bytes[cursor...].firstIndex(of: lineFeed) else { return nil }
        defer { cursor = end + 1 }
        return cursor..<(end > cursor && bytes[end - 1] == carriageReturn ? end - 1 : end)
    }

    private var bodyEnd: Int { bodyStart + bodyReceived }

    private mutating func finish(_ progress: Progress) -> Progress {
        state = .done(progress)
        return progress
    }

    // MARK: Head

    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")

    /// Nil: go on in the new state.
    private mutating func readHead(_ bytes: UnsafeRawBufferPointer) -> Progress? {
        while let end = bytes[max(searched, lineStart)...].firstIndex(of: Self.lineFeed) {
            guard end < limits.headerBytes else { return finish(.refused(431)) }
            let line = lineStart..<(end > lineStart && bytes[end - 1] == Self.carriageReturn ? end - 1 : end)
            lineStart = end + 1
            searched = lineStart
            if line.isEmpty {
                if head.target.isEmpty { continue }
                isHeadComplete = true
                bodyStart = lineStart
                return frameBody(bytes)
            }
            if let status = head.target.isEmpty ? readRequestLine(bytes, line) : readField(bytes, line) {
                return finish(.refused(status))
            }
        }
        searched = bytes.count
        return bytes.count > limits.headerBytes ? finish(.refused(431)) : .needsMore
    }

    /// A status when the line is refused.
    private mutating func readRequestLine(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>) -> Int? {
        let blank = UInt8(ascii: " ")
        guard let first = bytes[line].firstIndex(of: blank), let last = bytes[line].lastIndex(of: blank),
            last > first + 1
        else { return 400 }
        let version = bytes[(last + 1)..<line.upperBound]
        guard version.count == 8, version.starts(with: "HTTP/".utf8) else { return 400 }
        if version.elementsEqual("HTTP/1.0".utf8) {
            head.minorVersion = 0
            head.keepsAlive = false
        } else if !version.starts(with: "HTTP/1.".utf8) {
            return 505
        }
        head.method = line.lowerBound..<first
        head.target = (first + 1)..<last
        guard !head.method.isEmpty, bytes[head.method].allSatisfy(Self.isTokenByte),
            bytes[head.target].allSatisfy({ $0 > 0x20 && $0 != 0x7F })
        else { return 400 }
        if let methods = limits.methods, !methods.contains(String(decoding: bytes[head.method], as: UTF8.self)) {
            return 405
        }
        return nil
    }

    private mutating func readField(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>) -> Int? {
        guard let colon = bytes[line].firstIndex(of: UInt8(ascii: ":")), colon > line.lowerBound,
            bytes[line.lowerBound..<colon].allSatisfy(Self.isTokenByte)
        else { return 400 }
        var value = (colon + 1)..<line.upperBound
        while let first = value.first, Self.isBlank(bytes[first]) { value = (first + 1)..<value.upperBound }
        while let last = value.last, Self.isBlank(bytes[last]) { value = value.lowerBound..<last }
        guard bytes[value].allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else { return 400 }
        head.fields.append(Head.Field(name: line.lowerBound..<colon, value: value))
        return nil
    }

    private mutating func frameBody(_ bytes: UnsafeRawBufferPointer) -> Progress? {
        var length: Int?
        var isChunked = false
        for field in head.fields {
            let value = bytes[field.value]
            switch field.name.count {
            case 6 where isNamed(field, "expect", bytes):
                head.expectsContinue = ASCII.equalIgnoringCase(value, "100-continue".utf8)
            case 10 where isNamed(field, "connection", bytes):
                for option in value.split(separator: UInt8(ascii: ",")) {
                    let word = option.drop(while: Self.isBlank).prefix { !Self.isBlank($0) }
                    if ASCII.equalIgnoringCase(word, "close".utf8) { head.keepsAlive = false }
                    if head.minorVersion == 0, ASCII.equalIgnoringCase(word, "keep-alive".utf8) {
                        head.keepsAlive = true
                    }
                }
            case 14 where isNamed(field, "content-length", bytes):
                guard let announced = Self.decimal(value), length == nil || length == announced else {
                    return finish(.refused(400))
                }
                length = announced
            case 17 where isNamed(field, "transfer-encoding", bytes):
                guard !isChunked, ASCII.equalIgnoringCase(value, "chunked".utf8) else { return finish(.refused(501)) }
                isChunked = true
            default: break
            }
        }
        if isChunked {
            guard length == nil, head.minorVersion == 1 else { return finish(.refused(400)) }
            state = .chunkSize
            return nil
        }
        let expected = length ?? 0
        guard expected <= limits.bodyBytes else { return finish(.refused(413)) }
        state = .sizedBody(length: expected)
        return nil
    }

    private func isNamed(_ field: Head.Field, _ name: StaticString, _ bytes: UnsafeRawBufferPointer) -> Bool {
        name.withUTF8Buffer { ASCII.equalIgnoringCase(bytes[field.name], $0) }
    }

    // MARK: Bytes

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E...0x60, 0x7C, 0x7E: true
        default: false
        }
    }

    private static func decimal(_ digits: some Collection<UInt8>) -> Int? {
        guard !digits.isEmpty, digits.count <= 18 else { return nil }
        var value = 0
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            value = value * 10 + Int(digit - 0x30)
        }
        return value
    }

    private static func hexadecimal(_ digits: some Collection<UInt8>) -> Int? {
        guard !digits.isEmpty, digits.count <= 15 else { return nil }
        var value = 0
        for digit in digits {
            let nibble: UInt8
            switch digit {
            case 0x30...0x39: nibble = digit - 0x30
            case 0x41...0x46: nibble = digit - 0x37
            case 0x61...0x66: nibble = digit - 0x57
            default: return nil
            }
            value = value << 4 | Int(nibble)
        }
        return value
    }
}
