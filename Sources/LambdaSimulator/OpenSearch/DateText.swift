/// `strict_date_optional_time`, as far as a node of OpenSearch 2.19 was seen to go: year to nanosecond, a comma for the
/// dot, offsets with and without colon.
enum DateText {
    static func isStrictDate(_ text: String) -> Bool {
        var scanner = Scanner(bytes: Array(text.utf8))
        guard let year = scanner.digits(exactly: 4) else { return false }
        if scanner.isAtEnd { return true }
        guard scanner.take("-"), let month = scanner.digits(exactly: 2), 1...12 ~= month else { return false }
        if scanner.isAtEnd { return true }
        guard scanner.take("-"), let day = scanner.digits(exactly: 2), day >= 1, day <= 31 else { return false }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard day <= lengths[month - 1] else { return false }
        if scanner.isAtEnd { return true }
        guard scanner.take("T") else { return false }
        if scanner.isAtEnd { return true }
        guard let hour = scanner.digits(exactly: 2), hour < 24 else { return false }
        if scanner.take(":") {
            guard let minute = scanner.digits(exactly: 2), minute < 60 else { return false }
            if scanner.take(":") {
                guard let second = scanner.digits(exactly: 2), second < 60 else { return false }
                if scanner.take(".") || scanner.take(",") {
                    guard 1...9 ~= scanner.digitCount() else { return false }
                }
            }
        }
        if scanner.isAtEnd || scanner.take("Z") { return scanner.isAtEnd }
        guard scanner.take("+") || scanner.take("-"), let offset = scanner.digits(exactly: 2), offset <= 18 else {
            return false
        }
        if scanner.isAtEnd { return true }
        _ = scanner.take(":")
        return scanner.digits(exactly: 2).map { $0 < 60 } ?? false && scanner.isAtEnd
    }

    /// What a `date` field takes: the above, or milliseconds since 1970.
    static func isAccepted(_ text: String) -> Bool {
        isStrictDate(text) || isMilliseconds(text)
    }

    private static func isMilliseconds(_ text: String) -> Bool {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        guard 1...2 ~= parts.count, let whole = parts.first, 1...18 ~= whole.count else { return false }
        return parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { 0x30...0x39 ~= $0 } }
    }

    private struct Scanner {
        var bytes: [UInt8]
        var position = 0

        init(bytes: [UInt8]) {
            self.bytes = bytes
        }

        var isAtEnd: Bool { position == bytes.count }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
            position += 1
            return true
        }

        mutating func digits(exactly count: Int) -> Int? {
            guard position + count <= bytes.count else { return nil }
            let slice = bytes[position..<(position + count)]
            guard slice.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
            position += count
            return slice.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        }

        mutating func digitCount() -> Int {
            let start = position
            while position < bytes.count, 0x30...0x39 ~= bytes[position] { position += 1 }
            return position - start
        }
    }
}
