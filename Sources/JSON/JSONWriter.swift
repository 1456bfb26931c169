/// Writes JSON for what is built once: requests, templates, reports. Commas and colons come by themselves; that the calls
/// make a well-formed value is the caller's duty.
package struct JSONWriter {
    package private(set) var bytes: [UInt8] = []
    private var needsComma = false

    package init() {}

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    package mutating func beginObject() { open(JSONBytes.openBrace) }
    package mutating func endObject() { close(JSONBytes.closeBrace) }
    package mutating func beginArray() { open(JSONBytes.openBracket) }
    package mutating func endArray() { close(JSONBytes.closeBracket) }

    package mutating func key(_ name: String) {
        separate()
        appendString(name.utf8)
        bytes.append(JSONBytes.colon)
        needsComma = false
    }

    package mutating func string(_ value: String) {
        separate()
        appendString(value.utf8)
    }

    /// Text that may be no UTF-8: what is ill-formed becomes U+FFFD.
    package mutating func string(utf8 value: [UInt8]) {
        separate()
        appendString(value)
    }

    package mutating func integer(_ value: some FixedWidthInteger) {
        separate()
        bytes.append(contentsOf: String(value).utf8)
    }

    /// The shortest decimal that reads back as `value`; `null` when it is not finite.
    package mutating func number(_ value: Double) {
        separate()
        bytes.append(contentsOf: (value.isFinite ? value.description : "null").utf8)
    }

    package mutating func bool(_ value: Bool) {
        separate()
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    package mutating func null() {
        separate()
        bytes.append(contentsOf: "null".utf8)
    }

    /// A value that is JSON already.
    package mutating func raw(_ value: some Sequence<UInt8>) {
        separate()
        bytes.append(contentsOf: value)
    }

    /// A line feed between values of NDJSON.
    package mutating func newline() {
        bytes.append(0x0a)
        needsComma = false
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(JSONBytes.comma) }
        needsComma = true
    }

    private mutating func appendString(_ value: some Collection<UInt8>) {
        let buffer = JSONBuffer(capacity: value.count + 16)
        buffer.append(byte: JSONBytes.quote)
        if value.withContiguousStorageIfAvailable({ buffer.appendEscaped(UnsafeRawBufferPointer($0)) }) == nil {
            Array(value).withUnsafeBytes { buffer.appendEscaped($0) }
        }
        buffer.append(byte: JSONBytes.quote)
        bytes.append(contentsOf: buffer.bytes)
    }
}
