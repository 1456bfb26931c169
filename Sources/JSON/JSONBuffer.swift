#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A growable buffer of bytes for output that is written again and again: nothing is initialised twice, and what it
/// holds is reused until ``releaseIdle(above:)`` gives it back.
package final class JSONBuffer {
    @usableFromInline
    struct State {
        @usableFromInline var count: Int
        @usableFromInline var capacity: Int
        @usableFromInline var storage: UnsafeMutableRawPointer
    }

    // Behind a pointer: properties of a class pay for a dynamic exclusivity check at every access, which here would be
    // most of the cost of an append.
    @usableFromInline let state: UnsafeMutablePointer<State>

    package init(capacity: Int = 4096) {
        let capacity = max(64, capacity)
        state = .allocate(capacity: 1)
        state.initialize(
            to: State(count: 0, capacity: capacity, storage: .allocate(byteCount: capacity, alignment: 16)))
    }

    deinit {
        state.pointee.storage.deallocate()
        state.deallocate()
    }

    @inlinable
    package var count: Int { state.pointee.count }

    /// Valid until the next change.
    @inlinable
    package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: state.pointee.storage, count: state.pointee.count)
    }

    package func removeAll() { state.pointee.count = 0 }

    /// Keeps the first `count` bytes; more than there are changes nothing.
    package func truncate(to newCount: Int) { state.pointee.count = max(0, min(count, newCount)) }

    /// Removes the first `prefix` bytes.
    package func removeFirst(_ prefix: Int) {
        let removed = max(0, min(prefix, count))
        memmove(state.pointee.storage, state.pointee.storage + removed, count - removed)
        state.pointee.count -= removed
    }

    /// Empties the buffer and, when it has grown above `limit` bytes, gives its memory back.
    package func releaseIdle(above limit: Int) {
        state.pointee.count = 0
        guard state.pointee.capacity > limit else { return }
        state.pointee.storage.deallocate()
        state.pointee.capacity = 4096
        state.pointee.storage = .allocate(byteCount: 4096, alignment: 16)
    }

    /// Where the next `additional` bytes go.
    @inlinable
    @inline(__always)
    func reserve(_ additional: Int) -> UnsafeMutableRawPointer {
        if state.pointee.capacity &- state.pointee.count < additional { grow(additional) }
        return state.pointee.storage + state.pointee.count
    }

    @usableFromInline
    @inline(never)
    func grow(_ additional: Int) {
        let wanted = max(state.pointee.capacity + state.pointee.capacity / 2, count + additional)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 16)
        memcpy(larger, state.pointee.storage, count)
        state.pointee.storage.deallocate()
        state.pointee.storage = larger
        state.pointee.capacity = wanted
    }

    @inlinable
    package func append(_ source: UnsafeRawBufferPointer) {
        guard let base = source.baseAddress else { return }
        reserve(source.count).copyMemory(from: base, byteCount: source.count)
        state.pointee.count &+= source.count
    }

    @inlinable
    package func append(_ source: [UInt8]) {
        source.withUnsafeBytes { append($0) }
    }

    @inlinable
    package func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inlinable
    package func append(byte: UInt8) {
        reserve(1).storeBytes(of: byte, as: UInt8.self)
        state.pointee.count &+= 1
    }

    /// Decimal digits.
    package func append(number: UInt64) {
        let place = reserve(20)
        var digits = 1
        var bound: UInt64 = 10
        while digits < 20, number >= bound {
            digits &+= 1
            bound = digits < 20 ? bound &* 10 : bound
        }
        var rest = number
        var index = digits
        while index > 0 {
            index &-= 1
            place.storeBytes(of: 0x30 &+ UInt8(truncatingIfNeeded: rest % 10), toByteOffset: index, as: UInt8.self)
            rest /= 10
        }
        state.pointee.count &+= digits
    }

    /// The inside of a JSON string whose text is `text`: quotes, backslashes and bytes below 0x20 escaped, ill-formed
    /// UTF-8 replaced by U+FFFD. No quotes around it.
    package func appendEscaped(_ text: UnsafeRawBufferPointer) {
        appendText(text, isEscaped: false)
    }

    /// The inside of a JSON string as it was written elsewhere, without the quotes around it: escapes are kept, and what
    /// ``JSONRepairs`` names is repaired; a backslash that begins no escape becomes `\\`.
    package func appendRepairedString(_ inside: UnsafeRawBufferPointer) {
        appendText(inside, isEscaped: true)
    }

    /// A whole value that a scan called complete, as one line: bytes below 0x20 between tokens dropped, strings repaired.
    package func appendRepaired(_ value: UnsafeRawBufferPointer) {
        var index = 0
        while index < value.count {
            let byte = value[index]
            index &+= 1
            guard byte >= 0x20 else { continue }
            append(byte: byte)
            guard byte == JSONBytes.quote else { continue }
            var scanner = JSONScanner(value, from: index)
            var hasEscapes = false
            let isClosed = scanner.skipString(hasEscapes: &hasEscapes)
            let end = isClosed ? scanner.position &- 1 : value.count
            appendRepairedString(UnsafeRawBufferPointer(rebasing: value[index..<end]))
            append(byte: JSONBytes.quote)
            index = isClosed ? end &+ 1 : end
        }
    }

    private func appendText(_ text: UnsafeRawBufferPointer, isEscaped: Bool) {
        var index = 0
        while index < text.count {
            let stop = JSONBytes.nextSpecial(text, from: index)
            append(UnsafeRawBufferPointer(rebasing: text[index..<stop]))
            index = stop
            guard index < text.count else { return }
            let byte = text[index]
            if byte > 0x7f {
                let length = JSONBytes.sequenceLength(text, at: index)
                if length > 0 {
                    append(UnsafeRawBufferPointer(rebasing: text[index..<index &+ length]))
                } else {
                    append("\u{FFFD}")
                }
                index &+= abs(length)
            } else if byte == JSONBytes.backslash, isEscaped {
                let length = Self.escapeLength(text, at: index)
                if length > 0 {
                    append(UnsafeRawBufferPointer(rebasing: text[index..<index &+ length]))
                } else {
                    append("\\\\")
                }
                index &+= max(1, length)
            } else {
                appendEscape(of: byte)
                index &+= 1
            }
        }
    }

    /// The length of the escape at `index`, 0 when the backslash there begins none.
    private static func escapeLength(_ text: UnsafeRawBufferPointer, at index: Int) -> Int {
        guard index &+ 1 < text.count else { return 0 }
        if JSONBytes.isShortEscape(text[index &+ 1]) { return 2 }
        guard text[index &+ 1] == UInt8(ascii: "u"), index &+ 6 <= text.count else { return 0 }
        return text[index &+ 2..<index &+ 6].allSatisfy { JSONBytes.hexValue($0) != nil } ? 6 : 0
    }

    private func appendEscape(of byte: UInt8) {
        switch byte {
        case JSONBytes.quote: append("\\\"")
        case JSONBytes.backslash: append("\\\\")
        case 0x08: append("\\b")
        case 0x09: append("\\t")
        case 0x0a: append("\\n")
        case 0x0c: append("\\f")
        case 0x0d: append("\\r")
        default:
            append("\\u00")
            append(byte: JSONBytes.hexDigits.utf8Start[Int(byte >> 4)])
            append(byte: JSONBytes.hexDigits.utf8Start[Int(byte & 15)])
        }
    }
}
