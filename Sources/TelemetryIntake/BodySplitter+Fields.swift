import JSON

/// What the intake wants to know of a record.
extension BodySplitter {
    private enum Field {
        case requestID, otherRequestID, level, errorType, message, status
    }

    /// Request ids longer than this are not carried along.
    private static let longestRequestID = 256

    /// Goes over the fields that the scan has noted inside the element's record, which is an object.
    @inline(__always)
    func readFields(of element: inout BodyElement) {
        guard outline.hasAllFields, outline.isComplete else { return readAllFields(of: &element) }
        var hasRequestID = false
        for index in 0..<outline.fieldCount {
            let field = outline.fields[index]
            guard field.keyStart > Int(element.record.start), field.keyEnd < Int(element.record.end) else { continue }
            let key = bytes.slice(field.keyStart, field.keyEnd)
            let value = Span(field.valueStart, field.valueEnd)
            if field.keyHasEscapes {
                var decoded = JSONReader.decode(key)
                decoded.withUTF8 {
                    note($0.count > 0 ? UnsafeRawBufferPointer($0) : key, value, &element, &hasRequestID)
                }
            } else {
                note(key, value, &element, &hasRequestID)
            }
        }
    }

    private func readAllFields(of element: inout BodyElement) {
        let start = Int(element.record.start)
        var hasRequestID = false
        var reader = JSONReader(element.record.of(bytes), maximumDepth: JSONScanner.maximumDepth)
        do throws(JSONError) {
            try reader.beginObject()
            while let key = try reader.nextKey() {
                _ = try reader.peek()
                let valueStart = start + reader.position
                try reader.skip()
                let value = Span(valueStart, start + reader.position)
                var key = key
                key.withUTF8 { note(UnsafeRawBufferPointer($0), value, &element, &hasRequestID) }
            }
        } catch {
            assertionFailure("a complete record cannot be read: \(error)")
        }
    }

    @inline(__always)
    private func note(
        _ key: UnsafeRawBufferPointer, _ value: Span, _ element: inout BodyElement, _ hasRequestID: inout Bool
    ) {
        guard let field = Self.field(key) else { return }
        let text = value.of(bytes)
        let isString = text.first == Ascii.quote
        switch field {
        case .requestID, .otherRequestID:
            guard isString, text.count > 2, text.count <= Self.longestRequestID, field == .requestID || !hasRequestID
            else { return }
            hasRequestID = hasRequestID || field == .requestID
            element.requestID = Span(start: value.start + 1, end: value.end - 1)
        case .level:
            let level = text.unquoted
            if isString,
                level.equalsIgnoringCase("error") || level.equalsIgnoringCase("fatal")
                    || level.equalsIgnoringCase("critical")
            {
                element.marks.insert(.failure)
            }
        case .errorType:
            if !text.equals("null") { element.marks.insert(.failure) }
        case .status:
            guard element.kind == .runtimeDone || element.kind == .report, !text.equals("null") else { return }
            if !text.unquoted.equals("success") { element.marks.insert(.failure) }
        case .message:
            if element.kind == .extensionLogs { markOwnLine(value, &element) }
        }
    }

    /// The runtimes spell the request id differently (fact sheet, `function` and `extension`).
    @inline(__always)
    private static func field(_ key: UnsafeRawBufferPointer) -> Field? {
        switch key.count {
        case 5: key.equals("level") ? .level : nil
        case 6: key.equals("status") ? .status : nil
        case 7: key.equals("message") ? .message : nil
        case 9: key.equals("requestId") ? .requestID : key.equals("errorType") ? .errorType : nil
        case 12: key.equals("AWSRequestId") || key.equals("awsRequestId") ? .otherRequestID : nil
        case 14: key.equals("aws_request_id") ? .otherRequestID : nil
        default: nil
        }
    }
}
