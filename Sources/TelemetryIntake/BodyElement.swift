/// A range of the body. 32 bits: the listener takes no body, and the joiner makes none, near 2 GiB.
struct Span: Equatable {
    var start: Int32
    var end: Int32

    static let none = Span(start: -1, end: -1)

    @inline(__always)
    init(start: Int32, end: Int32) {
        self.start = start
        self.end = end
    }

    @inline(__always)
    init(_ start: Int, _ end: Int) {
        self.start = Int32(truncatingIfNeeded: start)
        self.end = Int32(truncatingIfNeeded: end)
    }

    @inline(__always)
    var isPresent: Bool { start >= 0 }

    @inline(__always)
    func of(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard start >= 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(rebasing: bytes[Int(start)..<Int(end)])
    }
}

/// One element of a body: where its parts lie and what its record says about it. Kept for thousands of elements at once,
/// so it holds offsets only.
struct BodyElement {
    enum Shape: UInt8 {
        /// A whole object.
        case object
        /// A whole element that is no object.
        case value
        /// An object whose record ends where its brackets say, but is no JSON.
        case broken
        /// The last element, cut off inside its record: `record` is what there is of it.
        case cut
        /// The end of a record that began in another body, inside a string: `record` is the string's rest.
        case stringTail
        /// A record of which only the envelope and some text are known.
        case text
        /// Nothing is known.
        case unreadable

        /// Whole by itself, whatever came before.
        @inline(__always)
        var isWhole: Bool { self == .object || self == .value || self == .broken }
    }

    struct Marks: OptionSet {
        let rawValue: UInt8
        /// Something in it needs repair while it is copied.
        static var dirty: Marks { Marks(rawValue: 1) }
        /// A backslash begins no escape.
        static var falseEscape: Marks { Marks(rawValue: 2) }
        /// There are members beside time, type and record.
        static var extras: Marks { Marks(rawValue: 4) }
        /// `errorType`, a level of ERROR or FATAL, or a status other than success.
        static var failure: Marks { Marks(rawValue: 8) }
        /// The record's message begins like a line of ours.
        static var ownLine: Marks { Marks(rawValue: 16) }
    }

    var shape: Shape
    var kind: EventKind = .unknown
    var marks = Marks(rawValue: 0)
    /// From its first byte to behind its last.
    var whole: Span
    /// Values as they stand, quotes included.
    var time: Span = .none
    var type: Span = .none
    var record: Span = .none
    /// The record's own request id, without quotes.
    var requestID: Span = .none

    init(_ shape: Shape, _ start: Int, _ end: Int) {
        self.shape = shape
        self.whole = Span(start, end)
    }

    /// The element may be part of a cut record: it is not whole, or its record is neither text nor object, which no record
    /// is, but a piece out of the middle of one may be.
    func mayBePart(_ bytes: UnsafeRawBufferPointer) -> Bool {
        switch shape {
        case .cut, .stringTail, .text, .broken: return true
        case .value, .unreadable: return false
        case .object:
            guard record.isPresent else { return false }
            let first = bytes[Int(record.start)]
            return first != Ascii.quote && first != Ascii.openBrace
        }
    }
}
