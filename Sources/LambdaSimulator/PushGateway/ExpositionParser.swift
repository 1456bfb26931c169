/// The text format 0.0.4 as strictly read as by PushGateway 1.5.1 (`prometheus/common`'s `expfmt.TextParser`), with its
/// messages.
package struct ExpositionParser {
    package struct Failure: Error, Equatable, Sendable {
        package var line: Int
        package var message: String
        package var description: String { "text format parsing error in line \(line): \(message)" }
    }

    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var families: [String: MetricFamily] = [:]
    private var typed: Set<String> = []
    private var helped: Set<String> = []

    /// Families without a metric are left out.
    package static func parse(_ bytes: [UInt8]) throws(Failure) -> [String: MetricFamily] {
        var parser = ExpositionParser(bytes: bytes)
        while try parser.readLine() {}
        return parser.families.filter { !$0.value.metrics.isEmpty }
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private func failure(_ message: String) -> Failure { Failure(line: line, message: message) }

    /// The byte at the position; the end of the input is an error everywhere but at the start of a line.
    private func current() throws(Failure) -> UInt8 {
        guard position < bytes.count else { throw failure("unexpected end of input stream") }
        return bytes[position]
    }

    private mutating func skipBlanks() {
        while position < bytes.count, bytes[position] == 0x20 || bytes[position] == 0x09 { position += 1 }
    }

    private static func text(_ slice: ArraySlice<UInt8>) -> String { String(decoding: slice, as: UTF8.self) }

    private mutating func endLine() {
        position += 1
        line += 1
    }

    /// False at the end of the input.
    private mutating func readLine() throws(Failure) -> Bool {
        skipBlanks()
        guard position < bytes.count else { return false }
        switch bytes[position] {
        case UInt8(ascii: "#"):
            position += 1
            try comment()
        case 0x0A: endLine()
        default: try sample()
        }
        return true
    }

    // MARK: Comments

    private mutating func comment() throws(Failure) {
        skipBlanks()
        if try current() == 0x0A { return endLine() }
        let keyword = try word()
        if try current() == 0x0A { return endLine() }
        guard keyword == "HELP" || keyword == "TYPE" else {
            while try current() != 0x0A { position += 1 }
            return endLine()
        }
        skipBlanks()
        if try current() == 0x0A { return endLine() }
        let name = try metricName()
        let next = try current()
        if next == 0x0A { return endLine() }
        guard next == 0x20 || next == 0x09 else { throw failure("invalid metric name in comment") }
        let family = familyName(for: name).family
        ensureFamily(family)
        skipBlanks()
        if try current() == 0x0A { return endLine() }
        keyword == "HELP" ? try help(family) : try type(family)
    }

    private mutating func help(_ name: String) throws(Failure) {
        guard helped.insert(name).inserted else { throw failure("second HELP line for metric name \"\(name)\"") }
        var text: [UInt8] = []
        while try current() != 0x0A {
            if bytes[position] == UInt8(ascii: "\\") {
                position += 1
                switch try current() {
                case UInt8(ascii: "\\"): text.append(UInt8(ascii: "\\"))
                case UInt8(ascii: "n"): text.append(0x0A)
                default: throw failure("invalid escape sequence '\\\(Self.text(bytes[position...position]))'")
                }
            } else {
                text.append(bytes[position])
            }
            position += 1
        }
        families[name]?.help = String(decoding: text, as: UTF8.self)
        endLine()
    }

    private mutating func type(_ name: String) throws(Failure) {
        guard typed.insert(name).inserted else {
            throw failure("second TYPE line for metric name \"\(name)\", or TYPE reported after samples")
        }
        let start = position
        while try current() != 0x0A { position += 1 }
        let word = Self.text(bytes[start..<position])
        guard let kind = MetricFamily.Kind(rawValue: word.lowercased()) else {
            throw failure("unknown metric type \"\(word)\"")
        }
        families[name]?.kind = kind
        endLine()
    }

    private mutating func word() throws(Failure) -> String {
        let start = position
        while true {
            let byte = try current()
            if byte == 0x20 || byte == 0x09 || byte == 0x0A { break }
            position += 1
        }
        return Self.text(bytes[start..<position])
    }

    // MARK: Names

    private static func isNameByte(_ byte: UInt8, isFirst: Bool, allowsColon: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
        case UInt8(ascii: ":"): allowsColon
        case UInt8(ascii: "0")...UInt8(ascii: "9"): !isFirst
        default: false
        }
    }

    /// Empty when no name stands there.
    private mutating func name(allowsColon: Bool) throws(Failure) -> String {
        let start = position
        while Self.isNameByte(try current(), isFirst: position == start, allowsColon: allowsColon) { position += 1 }
        return Self.text(bytes[start..<position])
    }

    private mutating func metricName() throws(Failure) -> String { try name(allowsColon: true) }

    private enum Role { case plain, sum, count, bucket }

    /// `x_sum` and `x_count` belong to a summary or histogram `x` that has been declared, `x_bucket` to a histogram.
    private func familyName(for name: String) -> (family: String, role: Role) {
        if families[name] != nil { return (name, .plain) }
        for (suffix, role) in [("_sum", Role.sum), ("_count", .count), ("_bucket", .bucket)]
        where name.hasSuffix(suffix) {
            let base = String(name.dropLast(suffix.count))
            guard let kind = families[base]?.kind else { continue }
            if kind == .histogram || (kind == .summary && role != .bucket) { return (base, role) }
        }
        return (name, .plain)
    }

    private mutating func ensureFamily(_ name: String) {
        if families[name] == nil { families[name] = MetricFamily(name: name, help: nil, kind: .untyped) }
    }

    // MARK: Samples

    private mutating func sample() throws(Failure) {
        let name = try metricName()
        guard !name.isEmpty else { throw failure("invalid metric name") }
        let (family, role) = familyName(for: name)
        ensureFamily(family)
        typed.insert(family)
        let kind = families[family]?.kind ?? .untyped
        skipBlanks()
        var labels: [String: String] = [:]
        var point: Double?
        if try current() == UInt8(ascii: "{") {
            position += 1
            try readLabels(&labels, &point, metric: name, kind: kind)
        }
        skipBlanks()
        let text = try word()
        guard let value = GoFloat.parse(text) else { throw failure("expected float as value, got \"\(text)\"") }
        let timestamp = try timestamp()
        add(value, role, point: point, labels, timestamp, to: family, kind: kind)
        endLine()
    }

    private mutating func timestamp() throws(Failure) -> Int64? {
        if try current() == 0x0A { return nil }
        skipBlanks()
        if try current() == 0x0A { throw failure("expected integer as timestamp, got \"\"") }
        let text = try word()
        guard let value = Int64(text) else { throw failure("expected integer as timestamp, got \"\(text)\"") }
        skipBlanks()
        let start = position
        while try current() != 0x0A { position += 1 }
        guard start == position else {
            throw failure("spurious string after timestamp: \"\(Self.text(bytes[start..<position]))\"")
        }
        return value
    }

    private mutating func readLabels(
        _ labels: inout [String: String], _ point: inout Double?, metric: String, kind: MetricFamily.Kind
    ) throws(Failure) {
        var seen: Set<String> = []
        while true {
            skipBlanks()
            if try current() == UInt8(ascii: "}") {
                position += 1
                return
            }
            let label = try name(allowsColon: false)
            guard !label.isEmpty else { throw failure("invalid label name for metric \"\(metric)\"") }
            guard label != "__name__" else { throw failure("label name \"__name__\" is reserved") }
            skipBlanks()
            guard try current() == UInt8(ascii: "=") else {
                throw failure("expected '=' after label name, found '\(Self.text(bytes[position...position]))'")
            }
            position += 1
            skipBlanks()
            guard try current() == UInt8(ascii: "\"") else {
                throw failure(
                    "expected '\"' at start of label value, found '\(Self.text(bytes[position...position]))'")
            }
            position += 1
            let value = try labelValue()
            let isPoint = (kind == .summary && label == "quantile") || (kind == .histogram && label == "le")
            if isPoint {
                guard let parsed = GoFloat.parse(value) else {
                    throw failure("expected float as value for '\(label)' label, got \"\(value)\"")
                }
                point = parsed
            } else {
                guard seen.insert(label).inserted else {
                    throw failure("duplicate label names for metric \"\(metric)\"")
                }
                labels[label] = value
            }
            skipBlanks()
            switch try current() {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return
            default: throw failure("unexpected end of label value \"\(value)\"")
            }
        }
    }

    private mutating func labelValue() throws(Failure) -> String {
        var value: [UInt8] = []
        while true {
            let byte = try current()
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                guard let text = String(validating: value, as: UTF8.self) else {
                    throw failure("invalid label value \"\(String(decoding: value, as: UTF8.self))\"")
                }
                return text
            case 0x0A:
                throw failure(
                    "label value \"\(String(decoding: value, as: UTF8.self))\" contains unescaped new-line")
            case UInt8(ascii: "\\"):
                position += 1
                switch try current() {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"): value.append(bytes[position])
                case UInt8(ascii: "n"): value.append(0x0A)
                default: throw failure("invalid escape sequence '\\\(Self.text(bytes[position...position]))'")
                }
            default: value.append(byte)
            }
            position += 1
        }
    }

    private mutating func add(
        _ value: Double, _ role: Role, point: Double?, _ labels: [String: String], _ timestamp: Int64?,
        to name: String, kind: MetricFamily.Kind
    ) {
        guard var family = families[name] else { return }
        defer { families[name] = family }
        guard kind == .summary || kind == .histogram else {
            family.metrics.append(.init(labels: labels, value: .number(value), timestamp: timestamp))
            return
        }
        var index = family.metrics.firstIndex { $0.labels == labels }
        if index == nil {
            family.metrics.append(.init(labels: labels, value: .distribution(points: [], sum: 0, count: 0)))
            index = family.metrics.count - 1
        }
        guard let index, case .distribution(var points, var sum, var count) = family.metrics[index].value else {
            return
        }
        switch role {
        case .sum: sum = value
        case .count: count = value > 0 && value < 1.8e19 ? UInt64(value) : 0
        // A bare sample in a summary or histogram is read and ignored.
        case .plain, .bucket: if let point { points.append(.init(at: point, value: value)) }
        }
        family.metrics[index].value = .distribution(points: points, sum: sum, count: count)
        if timestamp != nil { family.metrics[index].timestamp = timestamp }
    }
}
