/// The name of an index or data stream, with `%Y`, `%m` and `%d` standing for the day of the event's time (UTC).
///
/// Names follow OpenSearch's rules: lower case, none of `,"*+/\|?#><:` and blanks, no leading `_`, `-` or `+`, not `.` or
/// `..`, at most 255 bytes (create-index page of the OpenSearch documentation). So a pattern that exists cannot make a
/// bulk request fail for its name, and needs no escaping in JSON.
package struct IndexPattern: Hashable, Sendable {
    package let text: String
    private let pieces: [Piece]

    private enum Piece: Hashable, Sendable {
        case literal(String)
        case year, month, day
    }

    package init?(_ text: String) {
        var pieces: [Piece] = []
        var literal = ""
        var characters = text.unicodeScalars.makeIterator()
        while let scalar = characters.next() {
            guard scalar == "%" else {
                guard Self.isAllowed(scalar) else { return nil }
                literal.unicodeScalars.append(scalar)
                continue
            }
            if !literal.isEmpty { pieces.append(.literal(literal)) }
            literal = ""
            switch characters.next() {
            case "Y": pieces.append(.year)
            case "m": pieces.append(.month)
            case "d": pieces.append(.day)
            default: return nil
            }
        }
        if !literal.isEmpty { pieces.append(.literal(literal)) }
        guard let first = text.unicodeScalars.first, first != "_", first != "-", first != "+", text != ".",
            text != "..",
            text.utf8.count <= 240
        else { return nil }
        self.text = text
        self.pieces = pieces
    }

    /// True when the name does not depend on the day.
    package var isFixed: Bool {
        pieces.allSatisfy { if case .literal = $0 { true } else { false } }
    }

    /// The name on a day. `year` 0…9999, `month` 1…12, `day` 1…31.
    package func name(year: Int, month: Int, day: Int) -> String {
        var name = ""
        for piece in pieces {
            switch piece {
            case .literal(let text): name += text
            case .year: name += Self.digits(year, 4)
            case .month: name += Self.digits(month, 2)
            case .day: name += Self.digits(day, 2)
            }
        }
        return name
    }

    /// The pattern of an index template that matches every name this pattern makes.
    package var wildcard: String {
        var result = ""
        for piece in pieces {
            if case .literal(let text) = piece {
                result += text
            } else if !result.hasSuffix("*") {
                result += "*"
            }
        }
        return result
    }

    private static func digits(_ value: Int, _ width: Int) -> String {
        let text = String(max(0, value))
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x80 && scalar.value > 0x20 && !(scalar >= "A" && scalar <= "Z")
            && !",\"*+/\\|?#><:".unicodeScalars.contains(scalar) && scalar.value != 0x7f
    }
}

/// The three index patterns, by stream.
package struct IndexPatterns: Hashable, Sendable {
    package var platform: IndexPattern
    package var function: IndexPattern
    package var extensionLogs: IndexPattern

    package init(platform: IndexPattern, function: IndexPattern, extensionLogs: IndexPattern) {
        self.platform = platform
        self.function = function
        self.extensionLogs = extensionLogs
    }

    package subscript(_ stream: TelemetryStream) -> IndexPattern {
        switch stream {
        case .platform: platform
        case .function: function
        case .extensionLogs: extensionLogs
        }
    }
}

extension IndexPattern {
    /// A pattern from a name that is known to be valid.
    package init(fixed name: String) {
        self.text = name
        self.pieces = [.literal(name)]
    }
}

extension IndexPattern {
    /// Whether `name` is one that this pattern makes on some day.
    package func matches(_ name: String) -> Bool {
        var rest = name.utf8[...]
        for piece in pieces {
            switch piece {
            case .literal(let text):
                guard rest.starts(with: text.utf8) else { return false }
                rest = rest.dropFirst(text.utf8.count)
            case .year, .month, .day:
                let width = piece == .year ? 4 : 2
                guard rest.count >= width, rest.prefix(width).allSatisfy({ (0x30...0x39).contains($0) }) else {
                    return false
                }
                rest = rest.dropFirst(width)
            }
        }
        return rest.isEmpty
    }
}
