import Glibc
import Synchronization
package import TelemetryModel

/// Writes our own lines to stderr: structured, without payload, limited in number.
///
/// CloudWatch bills every line, and with the `extension` stream subscribed every line comes back as an event. Hence each
/// kind of notice appears once a minute at most, with the number of those left out; and every line begins with
/// ``prefix``, by which the intake recognises and filters it.
package final class NoticeWriter: Sendable {
    package static let prefix = "permafrost "
    /// Bytes of a line with its newline. A pipe takes so much in one piece, whoever else writes to it; of a longer line
    /// parts of others may come in between, and a reader that is behind would be waited for.
    package static let lineLimit = Int(PIPE_BUF)
    private static let interval: Int64 = 60_000

    private struct Kind: Sendable {
        var lastMs: Int64
        var suppressed: Int
    }

    private let level: NoticeLevel
    private let kinds = Mutex<[String: Kind]>([:])
    private let write: @Sendable (String) -> Void

    package init(level: NoticeLevel, write: @escaping @Sendable (String) -> Void = NoticeWriter.standardError) {
        self.level = level
        self.write = write
    }

    /// - Parameter nowMs: monotonic milliseconds.
    package func write(_ notice: Notice, nowMs: Int64) {
        guard level != .off, notice.level >= level else { return }
        let suppressed: Int? = kinds.withLock { kinds in
            if let kind = kinds[notice.event], nowMs - kind.lastMs < Self.interval {
                kinds[notice.event]?.suppressed += 1
                return nil
            }
            let suppressed = kinds[notice.event]?.suppressed ?? 0
            // Event words are fixed, so this stays small; the bound is for the day somebody breaks that rule.
            if kinds.count < 256 || kinds[notice.event] != nil {
                kinds[notice.event] = Kind(lastMs: nowMs, suppressed: 0)
            }
            return suppressed
        }
        guard let suppressed else { return }
        var fields = notice.fields
        if suppressed > 0 { fields.append((name: "suppressed", value: String(suppressed))) }
        write(Self.line(level: notice.level, event: notice.event, fields: fields))
    }

    /// Written at every level but `off`, without limit: there is one.
    package func writeClosingLine(_ line: String) {
        guard level != .off else { return }
        write(line)
    }

    /// At most ``lineLimit`` bytes with its newline: a value that is too long for it ends in `…`, and what comes after it
    /// is left out.
    package static func line(level: NoticeLevel, event: String, fields: [(name: String, value: String)]) -> String {
        var line = "\(prefix)level=\(level.name) event=\(event)"
        for field in fields {
            let room = lineLimit - 1 - line.utf8.count
            let text = " \(field.name)=\(quoted(field.value))"
            guard text.utf8.count > room else {
                line += text
                continue
            }
            // Quoting doubles a byte at most, and adds two.
            let left = (room - " \(field.name)=\"…\"".utf8.count) / 2
            if left > 0 { line += " \(field.name)=\(quoted(start(of: field.value, bytes: left) + "…"))" }
            break
        }
        return line
    }

    /// Whole characters only.
    private static func start(of text: String, bytes: Int) -> String {
        var start = String.UnicodeScalarView()
        var left = bytes
        for scalar in text.unicodeScalars {
            left -= UTF8.width(scalar)
            if left < 0 { break }
            start.append(scalar)
        }
        return String(start)
    }

    private static func quoted(_ value: String) -> String {
        let plain = value.utf8.allSatisfy {
            $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=")
        }
        if plain, !value.isEmpty { return value }
        var text = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"", "\\": text += "\\\(scalar)"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f: text += " "
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }

    /// One write call, so that lines of other processes do not mix in. What a full pipe does not take is lost: waiting
    /// for a reader of our lines would hold up the function.
    package static let standardError = writer(to: 2)

    static func writer(to descriptor: Int32) -> @Sendable (String) -> Void {
        { line in
            var bytes = Array(line.utf8.prefix(lineLimit - 1))
            bytes.append(UInt8(ascii: "\n"))
            var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&ready, 1, 0) == 1 else { return }
            _ = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        }
    }
}
