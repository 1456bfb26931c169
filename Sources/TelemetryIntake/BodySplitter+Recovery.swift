import JSON

/// For bodies, or parts of one, that are no JSON. The platform makes such bodies itself: it cuts a record above
/// `maxBytes` into several POSTs, each but the last closed with `}]` inside the value, each but the first beginning inside
/// it behind a repeated envelope. Everything whole is found; what begins or ends outside this body is named as such.
extension BodySplitter {
    /// How an event begins behind another.
    private static let boundary: StaticString = ",{\"time\":"

    /// The element at `start`, which is not whole or not followed by what may follow an element. Moves behind it.
    mutating func recover(from start: Int) -> BodyElement {
        guard budget > 0 else { return rest(from: start) }
        let envelope = Envelope(bytes, at: start, budget: &budget)
        if let cut = cutElement(start, envelope) { return cut }
        if index == 0, let envelope, let tail = stringTail(start, envelope) { return tail }
        // A member before the record is whole, so what it holds begins no event, however it looks.
        let first = nextBoundary(behind: envelope.map { $0.end - 1 } ?? start)
        if let end = balancedEnd(start, limit: first ?? bytes.count) { return balanced(start, end, envelope) }
        if let first {
            let (boundary, isEvent) = nextEvent(from: first)
            // A whole event was not swallowed by this element, whatever its brackets say. Where there is none, the
            // brackets may reach over what only looks like an event's beginning.
            if let end = balancedEnd(start, limit: boundary) { return balanced(start, end, envelope) }
            let end = isEvent ? boundary : first
            scanner.position = end
            guard let envelope else { return BodyElement(.unreadable, start, end) }
            let textEnd = end > envelope.end && bytes[end - 1] == Ascii.closeBrace ? end - 1 : end
            return text(start, end, envelope, textEnd: textEnd)
        }
        scanner.position = bytes.count
        guard let envelope else { return BodyElement(.unreadable, start, bytes.count) }
        return text(start, bytes.count, envelope, textEnd: max(envelope.end, closingStart))
    }

    private mutating func rest(from start: Int) -> BodyElement {
        scanner.position = bytes.count
        return BodyElement(.unreadable, start, bytes.count)
    }

    /// An element that could still become JSON where the body closes: the cut may leave brackets open, so the closing
    /// `}]` is taken off before the look.
    private mutating func cutElement(_ start: Int, _ envelope: Envelope?) -> BodyElement? {
        guard let envelope else { return nil }
        let end = closingStart
        guard end >= envelope.end else { return nil }
        var whole = JSONScanner(bytes.slice(0, end), from: start)
        let outcome = whole.scanValue()
        budget -= max(0, whole.position - start)
        guard case .unfinished = outcome else { return nil }
        scanner.position = bytes.count
        var element = BodyElement(.cut, start, bytes.count)
        element.time = envelope.time
        element.type = envelope.type
        element.record = Span(envelope.end, end)
        classify(&element)
        return element
    }

    /// The rest of a text that began in an earlier body: up to the quote that is followed by the element's end.
    private mutating func stringTail(_ start: Int, _ envelope: Envelope) -> BodyElement? {
        var scanner = JSONScanner(bytes, from: envelope.end)
        var hasEscapes = false
        guard scanner.skipString(hasEscapes: &hasEscapes) else { return nil }
        let quote = scanner.position - 1
        budget -= quote - envelope.end
        guard scanner.nextToken() == Ascii.closeBrace else { return nil }
        let end = scanner.position + 1
        self.scanner.position = end
        guard followsElement(isScalar: false) else { return nil }
        var element = BodyElement(.stringTail, start, end)
        element.time = envelope.time
        element.type = envelope.type
        element.record = Span(envelope.end, quote)
        classify(&element)
        return element
    }

    /// The end that the brackets suggest, if something stands there that may follow an element. Moves behind it.
    private mutating func balancedEnd(_ start: Int, limit: Int) -> Int? {
        let limit = min(limit, start + max(0, budget))
        guard let end = scanner.balancedEnd(from: start, limit: limit) else {
            budget -= limit - start
            return nil
        }
        budget -= end - start
        scanner.position = end
        return end > start && followsElement(isScalar: false) ? end : nil
    }

    /// The comma before what looks like an event's beginning.
    private mutating func nextBoundary(behind start: Int) -> Int? {
        guard start < lastBoundary else { return nil }
        // Many broken elements before one boundary must not search for it one by one.
        if foundFrom <= start, start < foundBoundary { return foundBoundary }
        guard let boundary = bytes.firstIndex(of: Self.boundary, from: start + 1, anchor: 1) else {
            lastBoundary = start
            return nil
        }
        foundFrom = start
        foundBoundary = boundary
        return boundary
    }

    /// The first boundary from `boundary` on that has a whole event behind it; without one among the next few the last
    /// that was looked at, or the body's end when there are no more.
    private mutating func nextEvent(from boundary: Int) -> (boundary: Int, isEvent: Bool) {
        var boundary = boundary
        for _ in 0..<16 {
            if isWholeEvent(at: boundary + 1) { return (boundary, true) }
            guard budget > 0 else { break }
            guard let next = nextBoundary(behind: boundary) else { return (bytes.count, false) }
            boundary = next
        }
        return (boundary, false)
    }

    private mutating func isWholeEvent(at start: Int) -> Bool {
        var scanner = JSONScanner(bytes, from: start)
        let scan = scanner.scanValue(outline: outline)
        budget -= max(0, scanner.position - start)
        guard case .complete = scan else { return false }
        let names = (0..<outline.memberCount).map { name(of: outline.members[$0]) }
        self.scanner.position = scanner.position
        return names.contains(.type) && names.contains(.record) && followsElement(isScalar: false)
    }

    /// An element whose brackets balance: an array nested too deep to be looked at, or an object whose record is no JSON.
    private func balanced(_ start: Int, _ end: Int, _ envelope: Envelope?) -> BodyElement {
        if bytes[start] == Ascii.openBracket {
            var element = BodyElement(.value, start, end)
            element.record = Span(start, end)
            return element
        }
        guard let envelope, envelope.end < end else { return BodyElement(.unreadable, start, end) }
        var element = BodyElement(.broken, start, end)
        if !readBrokenMembers(of: &element) {
            element.time = envelope.time
            element.type = envelope.type
            element.record = Span(envelope.end, max(envelope.end, end - 1))
        }
        classify(&element)
        return element
    }

    /// Finds time, type and record by their brackets. False when there is anything else: then everything behind
    /// `"record":` is kept as the record's text, so that nothing of it is lost.
    private func readBrokenMembers(of element: inout BodyElement) -> Bool {
        let end = Int(element.whole.end) - 1
        var scanner = JSONScanner(bytes.slice(0, end), from: Int(element.whole.start) + 1)
        var found = (time: Span.none, type: Span.none, record: Span.none)
        while scanner.nextToken() == Ascii.quote {
            let keyStart = scanner.position + 1
            scanner.position = keyStart
            var hasEscapes = false
            guard scanner.skipString(hasEscapes: &hasEscapes), !hasEscapes else { return false }
            let name = Self.name(bytes.slice(keyStart, scanner.position - 1))
            guard scanner.nextToken() == Ascii.colon else { return false }
            scanner.position += 1
            guard scanner.nextToken() != nil else { return false }
            let valueStart = scanner.position
            var valueEnd = end
            if case .complete = scanner.scanValue() {
                valueEnd = scanner.position
            } else if let balanced = scanner.balancedEnd(from: valueStart, limit: end) {
                valueEnd = balanced
            }
            scanner.position = valueEnd
            let value = Span(valueStart, valueEnd)
            switch name {
            case .time: found.time = value
            case .type: found.type = value
            case .record: found.record = value
            case .reserved, .other: return false
            }
            guard let next = scanner.nextToken() else {
                element.time = found.time
                element.type = found.type
                element.record = found.record
                return found.record.isPresent
            }
            guard next == Ascii.comma else { return false }
            scanner.position += 1
        }
        return false
    }

    private func text(_ start: Int, _ end: Int, _ envelope: Envelope, textEnd: Int) -> BodyElement {
        var element = BodyElement(.text, start, end)
        element.time = envelope.time
        element.type = envelope.type
        element.record = Span(envelope.end, textEnd)
        classify(&element)
        return element
    }
}

/// The beginning of an event up to and including `"record":`, byte for byte.
struct Envelope {
    /// Values, quotes included.
    var time: Span = .none
    var type: Span = .none
    /// Behind the colon.
    var end = 0

    /// Nil when no `record` is reached, or what stands before it is no JSON.
    init?(_ bytes: UnsafeRawBufferPointer, at start: Int, budget: inout Int) {
        guard start < bytes.count, bytes[start] == Ascii.openBrace else { return nil }
        var scanner = JSONScanner(bytes, from: start + 1)
        defer { budget -= max(0, scanner.position - start) }
        while scanner.nextToken() == Ascii.quote {
            let keyStart = scanner.position + 1
            scanner.position = keyStart
            var hasEscapes = false
            guard scanner.skipString(hasEscapes: &hasEscapes) else { return nil }
            let key = bytes.slice(keyStart, scanner.position - 1)
            guard scanner.nextToken() == Ascii.colon else { return nil }
            scanner.position += 1
            var decoded = hasEscapes ? JSONReader.decode(key) : ""
            let name =
                hasEscapes
                ? decoded.withUTF8 { BodySplitter.name(UnsafeRawBufferPointer($0)) } : BodySplitter.name(key)
            if name == .record {
                end = scanner.position
                return
            }
            guard scanner.nextToken() != nil else { return nil }
            let valueStart = scanner.position
            guard case .complete = scanner.scanValue() else { return nil }
            let value = Span(valueStart, scanner.position)
            if name == .time { time = value }
            if name == .type { type = value }
            guard scanner.nextToken() == Ascii.comma else { return nil }
            scanner.position += 1
        }
        return nil
    }
}
