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

    package static func line(level: NoticeLevel, event: String, fields: [(name: String, value: String)]) -> String {
        var line = "\(prefix)level=\(level.name) event=\(event)"
        for field in fields { line += " \(field.name)=\(quoted(field.value))" }
        return line
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
    package static let standardError: @Sendable (String) -> Void = { line in
        var bytes = Array(line.utf8)
        bytes.append(UInt8(ascii: "\n"))
        var ready = pollfd(fd: 2, events: Int16(POLLOUT), revents: 0)
        guard poll(&ready, 1, 0) == 1 else { return }
        _ = bytes.withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
    }
}
