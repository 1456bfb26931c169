import Foundation
import Synchronization

/// What identifies an event from its making to its document.
package enum EventKey: Hashable, Sendable, CustomStringConvertible {
    /// A unique word inside a function's line or record.
    case marker(String)
    /// A platform event: no two of one simulator have these in common.
    case platform(type: String, time: String, requestID: String)
    /// An extension's own line: the simulator cannot mark it, so equal lines of one millisecond count as one.
    case line(time: String, text: String)

    package var description: String {
        switch self {
        case .marker(let text): text
        case .platform(let type, let time, let requestID): "\(type) \(time) \(requestID)"
        case .line(let time, let text): "extension \(time) \(text)"
        }
    }
}

/// One event as the platform makes it, before it is serialised for a subscriber.
package struct TelemetryEvent: Sendable {
    package var timeMs: Int64
    package var type: String
    /// JSON text of the record.
    package var record: [UInt8]
    package var key: EventKey
    /// Text of a log record that is an object, for subscribers of schema 2022-07-01, which get strings only.
    var isStructuredLog = false

    package init(timeMs: Int64, type: String, record: [UInt8], key: EventKey) {
        self.timeMs = timeMs
        self.type = type
        self.record = record
        self.key = key
    }

    /// `platform`, `function` or `extension`.
    package var stream: String { type.hasPrefix("platform.") ? "platform" : type }

    /// `{"time":…,"type":…,"record":`: what each part of a cut record repeats.
    var envelope: [UInt8] {
        Array("{\"time\":\"\(WallClock.iso8601(ms: timeMs))\",\"type\":\"\(type)\",\"record\":".utf8)
    }

    func value(schema: String) -> [UInt8] {
        guard schema == "2022-07-01", isStructuredLog else { return record }
        var text: [UInt8] = []
        JSONValue.append(String(decoding: record, as: UTF8.self), to: &text)
        return text
    }
}

/// Hands out the markers of one run: `evt-3fa90c11-000042`.
package final class MarkerSource: Sendable {
    package let run: String
    private let last = Atomic<Int>(0)

    package init() {
        let digits = String(UInt32.random(in: 0...UInt32.max), radix: 16)
        run = String(repeating: "0", count: 8 - digits.count) + digits
    }

    package func next() -> String {
        let number = String(last.add(1, ordering: .relaxed).newValue)
        return "evt-\(run)-" + String(repeating: "0", count: max(0, 6 - number.count)) + number
    }

    private static let lead = Array("evt-".utf8)

    /// The first marker in a document's bytes.
    package static func find(in bytes: [UInt8]) -> String? {
        bytes.withUnsafeBufferPointer { buffer in
            var start = 0
            while let found = firstLead(in: buffer, from: start) {
                var end = found + lead.count
                var dashes = 0
                while end < buffer.count {
                    let byte = buffer[end]
                    if byte == UInt8(ascii: "-"), dashes == 0 {
                        dashes = 1
                    } else if !(0x30...0x39 ~= byte) && !(dashes == 0 && 0x61...0x66 ~= byte) {
                        break
                    }
                    end += 1
                }
                if dashes == 1, end - found >= lead.count + 8 + 1 + 6 {
                    return String(decoding: buffer[found..<end], as: UTF8.self)
                }
                start = found + lead.count
            }
            return nil
        }
    }

    private static func firstLead(in buffer: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        guard let base = buffer.baseAddress, start + lead.count <= buffer.count,
            let found = memmem(base + start, buffer.count - start, lead, lead.count)
        else { return nil }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
}
