import JSON
import TelemetryModel

/// Writes document lines: the event's own members, repaired where a line or the server could not carry them, then what
/// we know of the function.
struct DocumentWriter {
    /// `,"faas":{…` without its closing brace.
    private let faas: [UInt8]
    /// `},"cloud":{…}}` and the line feed, `faas`'s closing brace first.
    private let tail: [UInt8]
    private let receivedText: [UInt8]
    private let receivedDay: Int32

    /// `instance` is the environment id; nil while there is none.
    init(function: FunctionIdentity, instance: String?, receivedMs: Int64) {
        let received = Timestamp(milliseconds: receivedMs)
        receivedText = received.text
        receivedDay = received.day
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("name")
        writer.string(function.name)
        writer.key("version")
        writer.string(function.version)
        if let instance {
            writer.key("instance")
            writer.string(instance)
        }
        faas = Array(",\"faas\":".utf8) + writer.bytes
        tail = Self.cloud(function)
    }

    private static func cloud(_ function: FunctionIdentity) -> [UInt8] {
        guard function.accountID != nil || function.region != nil else { return Array("}}\n".utf8) }
        var writer = JSONWriter()
        writer.beginObject()
        if let account = function.accountID {
            writer.key("account")
            writer.beginObject()
            writer.key("id")
            writer.string(account)
            writer.endObject()
        }
        if let region = function.region {
            writer.key("region")
            writer.string(region)
        }
        writer.endObject()
        return Array("},\"cloud\":".utf8) + writer.bytes + Array("}\n".utf8)
    }

    /// The moment a document is dated by.
    enum Moment {
        /// The event's own text, taken as it is.
        case verbatim(UnsafeRawBufferPointer)
        case written([UInt8])
    }

    /// When the event happened, and that day; the time of reception when its own cannot be read.
    @inline(__always)
    func moment(of element: BodyElement, _ bytes: UnsafeRawBufferPointer) -> (Moment, day: Int32) {
        let inside = element.time.of(bytes).unquoted
        if let day = Timestamp.canonicalDay(inside) { return (.verbatim(inside), day) }
        return otherMoment(element.time.of(bytes))
    }

    private func otherMoment(_ value: UnsafeRawBufferPointer) -> (Moment, day: Int32) {
        guard value.first == Ascii.quote else { return (.written(receivedText), receivedDay) }
        var text = JSONReader.decode(value.unquoted)
        guard let timestamp = text.withUTF8({ Timestamp(iso: UnsafeRawBufferPointer($0)) }) else {
            return (.written(receivedText), receivedDay)
        }
        return (.written(timestamp.text), timestamp.day)
    }

    /// Appends the document line. `invocationID` is the inside of a JSON string, empty for none.
    func append(
        _ element: BodyElement, _ bytes: UnsafeRawBufferPointer, moment: Moment, invocationID: UnsafeRawBufferPointer,
        to buffer: JSONBuffer
    ) {
        buffer.append("{\"@timestamp\":\"")
        switch moment {
        case .verbatim(let text): buffer.append(text)
        case .written(let text): buffer.append(text)
        }
        if element.time.isPresent {
            buffer.append("\",\"time\":")
            appendString(element.time.of(bytes), element, to: buffer)
            buffer.append(",\"type\":")
        } else {
            buffer.append("\",\"type\":")
        }
        switch element.kind {
        case .function: buffer.append("\"function\"")
        case _ where element.type.isPresent: appendString(element.type.of(bytes), element, to: buffer)
        default: buffer.append("\"unknown\"")
        }
        buffer.append(",\"record\":")
        appendRecord(element, bytes, to: buffer)
        if element.marks.contains(.extras) { appendExtras(element, bytes, to: buffer) }
        buffer.append(faas)
        if !invocationID.isEmpty {
            buffer.append(",\"invocation_id\":\"")
            if element.marks.contains(.dirty) {
                buffer.appendRepairedString(invocationID)
            } else {
                buffer.append(invocationID)
            }
            buffer.append(byte: Ascii.quote)
        }
        buffer.append(tail)
    }

    /// A string stays one; any other value becomes its JSON text.
    @inline(__always)
    private func appendString(_ value: UnsafeRawBufferPointer, _ element: BodyElement, to buffer: JSONBuffer) {
        if element.shape == .object, !element.marks.contains(.dirty), value.first == Ascii.quote {
            buffer.append(value)
        } else {
            appendOddString(value, to: buffer)
        }
    }

    private func appendOddString(_ value: UnsafeRawBufferPointer, to buffer: JSONBuffer) {
        buffer.append(byte: Ascii.quote)
        if Self.isString(value) {
            buffer.appendRepairedString(value.unquoted)
        } else {
            buffer.appendEscaped(value)
        }
        buffer.append(byte: Ascii.quote)
    }

    private func appendRecord(_ element: BodyElement, _ bytes: UnsafeRawBufferPointer, to buffer: JSONBuffer) {
        guard element.record.isPresent else { return buffer.append("{}") }
        let value = element.record.of(bytes)
        switch element.shape {
        case .object:
            let first = value.first
            if first == Ascii.openBrace {
                appendObject(value, element.marks, to: buffer)
            } else if first == Ascii.quote {
                if element.marks.contains(.dirty) {
                    appendMessage(inside: value.unquoted, to: buffer)
                } else {
                    buffer.append("{\"message\":")
                    buffer.append(value)
                    buffer.append(byte: Ascii.closeBrace)
                }
            } else {
                appendMessage(text: value, to: buffer)
            }
        case .stringTail: appendMessage(inside: value, to: buffer)
        case .broken: appendBroken(value, to: buffer)
        case .value, .text, .cut, .unreadable: appendMessage(text: value, to: buffer)
        }
    }

    private func appendObject(
        _ value: UnsafeRawBufferPointer, _ marks: BodyElement.Marks, to buffer: JSONBuffer
    ) {
        if !marks.contains(.dirty) {
            buffer.append(value)
        } else if marks.contains(.falseEscape), Self.scan(value)?.contains(.escape) ?? true {
            appendMessage(text: value, to: buffer)
        } else {
            buffer.appendRepaired(value)
        }
    }

    /// The record of an element that is no JSON may itself be some.
    private func appendBroken(_ value: UnsafeRawBufferPointer, to buffer: JSONBuffer) {
        if Self.isString(value) {
            appendMessage(inside: value.unquoted, to: buffer)
        } else if value.first == Ascii.openBrace, let repairs = Self.scan(value), !repairs.contains(.escape) {
            buffer.appendRepaired(value)
        } else {
            appendMessage(text: value, to: buffer)
        }
    }

    private func appendMessage(text: UnsafeRawBufferPointer, to buffer: JSONBuffer) {
        buffer.append("{\"message\":\"")
        buffer.appendEscaped(text)
        buffer.append("\"}")
    }

    private func appendMessage(inside: UnsafeRawBufferPointer, to buffer: JSONBuffer) {
        buffer.append("{\"message\":\"")
        buffer.appendRepairedString(inside)
        buffer.append("\"}")
    }

    /// The members beside time, type and record, but for names of ours; of the same name the last, for the server
    /// refuses a name that comes twice.
    private func appendExtras(_ element: BodyElement, _ bytes: UnsafeRawBufferPointer, to buffer: JSONBuffer) {
        var extras: [(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)] = []
        // By bytes: names that Unicode calls equivalent are two names in JSON.
        var places: [[UInt8]: Int] = [:]
        let whole = element.whole.of(bytes)
        var reader = JSONReader(whole, maximumDepth: JSONScanner.maximumDepth)
        do throws(JSONError) {
            try reader.beginObject()
            while let raw = try reader.nextRawKey() {
                var key = JSONReader.decode(raw)
                let value = try reader.rawValue()
                guard key.withUTF8({ BodySplitter.name(UnsafeRawBufferPointer($0)) }) == .other else { continue }
                let name = Array(key.utf8)
                if let place = places[name] {
                    extras[place] = (raw, value)
                } else {
                    places[name] = extras.count
                    extras.append((raw, value))
                }
            }
        } catch {
            assertionFailure("a complete object cannot be read: \(error)")
        }
        for extra in extras {
            buffer.append(",\"")
            buffer.appendRepairedString(extra.key)
            buffer.append("\":")
            if element.marks.contains(.falseEscape), Self.scan(extra.value)?.contains(.escape) ?? true {
                appendOddString(extra.value, to: buffer)
            } else {
                buffer.appendRepaired(extra.value)
            }
        }
    }

    /// What a value holds that needs repair; nil when it is not one whole value.
    private static func scan(_ value: UnsafeRawBufferPointer) -> JSONRepairs? {
        var scanner = JSONScanner(value)
        guard case .complete = scanner.scanValue(), scanner.nextToken() == nil else { return nil }
        return scanner.repairs
    }

    private static func isString(_ value: UnsafeRawBufferPointer) -> Bool {
        value.first == Ascii.quote && scan(value) != nil
    }
}
