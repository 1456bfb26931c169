/// A moment as documents carry it, `YYYY-MM-DDTHH:MM:SS.mmmZ`, and the day that chooses the index.
struct Timestamp: Equatable {
    /// `year << 9 | month << 5 | day`, to compare and look up days.
    var day: Int32
    /// Milliseconds since 1970.
    var milliseconds: Int64

    static func year(_ day: Int32) -> Int { Int(day >> 9) }
    static func month(_ day: Int32) -> Int { Int(day >> 5 & 15) }
    static func dayOfMonth(_ day: Int32) -> Int { Int(day & 31) }

    static let length = 24

    /// The years 0000…9999.
    private static let bounds: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

    /// The day when `text` is exactly of the documents' form and a real moment (no second 60), else nil.
    static func canonicalDay(_ text: UnsafeRawBufferPointer) -> Int32? {
        guard text.count == length, text[10] == UInt8(ascii: "T"), text[13] == Ascii.colon, text[16] == Ascii.colon,
            text[19] == UInt8(ascii: "."), text[23] == UInt8(ascii: "Z"), text[4] == UInt8(ascii: "-"),
            text[7] == UInt8(ascii: "-"),
            let year = digits(text, 0, 4), let month = digits(text, 5, 2), let day = digits(text, 8, 2),
            let hour = digits(text, 11, 2), let minute = digits(text, 14, 2), let second = digits(text, 17, 2),
            digits(text, 20, 3) != nil, hour < 24, minute < 60, second < 60, isDay(year, month, day)
        else { return nil }
        return Int32(truncatingIfNeeded: year << 9 | month << 5 | day)
    }

    /// ISO 8601 as it is met in the field: 0 to 9 digits of fraction behind a dot or comma, seconds or the whole time of
    /// day left out, a zone of `Z`, `±HH`, `±HHMM`, `±HH:MM` or none (UTC). Nil for all else, for what is no real moment,
    /// and for what leaves the years 0000…9999 in UTC.
    init?(iso text: UnsafeRawBufferPointer) {
        var reader = Digits(text: text)
        guard let year = reader.number(4), reader.take("-"), let month = reader.number(2), reader.take("-"),
            let day = reader.number(2), Self.isDay(year, month, day)
        else { return nil }
        var milliseconds: Int64 = 0
        var offset: Int64 = 0
        if !reader.isAtEnd {
            guard reader.take("T") || reader.take("t") || reader.take(" "), let hour = reader.number(2), hour < 24,
                reader.take(":"), let minute = reader.number(2), minute < 60
            else { return nil }
            var second = 0
            var fraction = 0
            if reader.take(":") {
                guard let value = reader.number(2), value < 60 else { return nil }
                second = value
                if reader.take(".") || reader.take(",") {
                    guard let value = reader.milliseconds() else { return nil }
                    fraction = value
                }
            }
            milliseconds = Int64(((hour * 60 + minute) * 60 + second) * 1000 + fraction)
            guard let zone = reader.zone(), reader.isAtEnd else { return nil }
            offset = Int64(zone) * 60_000
        }
        let moment = Self.days(year, month, day) * 86_400_000 + milliseconds - offset
        guard Self.bounds.contains(moment) else { return nil }
        self.init(milliseconds: moment)
    }

    /// Moments outside the years 0000…9999 are taken as their nearest end.
    init(milliseconds: Int64) {
        let bounded = min(max(milliseconds, Self.bounds.lowerBound), Self.bounds.upperBound)
        // Days to a date by Howard Hinnant's algorithm, https://howardhinnant.github.io/date_algorithms.html.
        var days = bounded / 86_400_000
        if bounded % 86_400_000 < 0 { days -= 1 }
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        self.day = Int32(truncatingIfNeeded: year << 9 | month << 5 | day)
        self.milliseconds = bounded
    }

    /// The documents' form, in ASCII.
    var text: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(Self.length)
        func append(_ value: Int, _ width: Int) {
            var divisor = 1
            for _ in 1..<width { divisor *= 10 }
            while divisor > 0 {
                text.append(0x30 + UInt8(truncatingIfNeeded: value / divisor % 10))
                divisor /= 10
            }
        }
        let ofDay = Int((milliseconds % 86_400_000 + 86_400_000) % 86_400_000)
        append(Self.year(day), 4)
        text.append(UInt8(ascii: "-"))
        append(Self.month(day), 2)
        text.append(UInt8(ascii: "-"))
        append(Self.dayOfMonth(day), 2)
        text.append(UInt8(ascii: "T"))
        append(ofDay / 3_600_000, 2)
        text.append(Ascii.colon)
        append(ofDay / 60_000 % 60, 2)
        text.append(Ascii.colon)
        append(ofDay / 1000 % 60, 2)
        text.append(UInt8(ascii: "."))
        append(ofDay % 1000, 3)
        text.append(UInt8(ascii: "Z"))
        return text
    }

    private static func isDay(_ year: Int, _ month: Int, _ day: Int) -> Bool {
        guard (1...12).contains(month), day >= 1 else { return false }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let longest =
            switch month {
            case 2: isLeap ? 29 : 28
            case 4, 6, 9, 11: 30
            default: 31
            }
        return day <= longest
    }

    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return Int64(era * 146_097 + dayOfEra - 719_468)
    }

    @inline(__always)
    private static func digits(_ text: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Int? {
        var value = 0
        for index in start..<start &+ count {
            let digit = text[index] &- 0x30
            guard digit < 10 else { return nil }
            value = value &* 10 &+ Int(digit)
        }
        return value
    }
}

/// Reads numbers of fixed width from left to right.
private struct Digits {
    let text: UnsafeRawBufferPointer
    var index = 0

    var isAtEnd: Bool { index == text.count }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard index < text.count, text[index] == UInt8(ascii: scalar) else { return false }
        index += 1
        return true
    }

    mutating func number(_ width: Int) -> Int? {
        guard index + width <= text.count else { return nil }
        var value = 0
        for _ in 0..<width {
            let digit = text[index] &- 0x30
            guard digit < 10 else { return nil }
            value = value * 10 + Int(digit)
            index += 1
        }
        return value
    }

    /// 0 to 9 digits of a fraction, cut to milliseconds.
    mutating func milliseconds() -> Int? {
        var value = 0
        var count = 0
        while index < text.count, text[index] &- 0x30 < 10 {
            if count < 3 { value = value * 10 + Int(text[index] - 0x30) }
            count += 1
            index += 1
        }
        guard count <= 9 else { return nil }
        for _ in min(count, 3)..<3 { value *= 10 }
        return value
    }

    /// Minutes east of UTC.
    mutating func zone() -> Int? {
        if isAtEnd || take("Z") || take("z") { return 0 }
        let sign: Int
        if take("+") { sign = 1 } else if take("-") { sign = -1 } else { return nil }
        guard let hours = number(2), hours < 24 else { return nil }
        var minutes = 0
        if !isAtEnd {
            _ = take(":")
            guard let value = number(2), value < 60 else { return nil }
            minutes = value
        }
        return sign * (hours * 60 + minutes)
    }
}
