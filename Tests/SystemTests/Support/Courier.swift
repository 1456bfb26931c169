import LambdaSimulator
import Testing

/// Posts bodies to the live binary where a test has to decide over every byte, answer and repetition, and keeps books of
/// its own. The simulator's publisher is for everything else.
final class Courier {
    struct Event {
        var marker: String
        var bytes: [UInt8]
    }

    struct Body {
        var events: [Event]

        var bytes: [UInt8] {
            var bytes = [UInt8(ascii: "[")]
            for (index, event) in events.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes += event.bytes
            }
            return bytes + [UInt8(ascii: "]")]
        }
    }

    private let markers: MarkerSource
    private(set) var offered: Set<String> = []
    private(set) var acknowledged: Set<String> = []
    /// Array elements in bodies that got a 200, repetitions included.
    private(set) var acknowledgedElements = 0
    /// Array elements in bodies that were sent, whatever became of them.
    private(set) var sentElements = 0
    /// Sent, and no 200 read: what the platform sends again.
    private(set) var pending: Body?
    private var noise: UInt64 = 0x9e37_79b9_7f4a_7c15

    init(_ markers: MarkerSource) {
        self.markers = markers
    }

    // MARK: Making

    /// A function's line of about `bytes` bytes, which hardly compress.
    func event(bytes: Int = 60) -> Event {
        let marker = markers.next()
        let filler = String(decoding: (0..<max(0, bytes - marker.count)).map { _ in letter() }, as: UTF8.self)
        let time = WallClock.iso8601(ms: WallClock.nowMs())
        let text = "{\"time\":\"\(time)\",\"type\":\"function\",\"record\":\"\(marker) \(filler)\\n\"}"
        return Event(marker: marker, bytes: Array(text.utf8))
    }

    private func letter() -> UInt8 {
        noise ^= noise << 13
        noise ^= noise >> 7
        noise ^= noise << 17
        return UInt8(truncatingIfNeeded: 0x3f + noise >> 58)
    }

    func body(_ count: Int, bytes: Int = 60) -> Body { Body(events: (0..<count).map { _ in event(bytes: bytes) }) }

    /// A record given as JSON text in which `{marker}` is replaced.
    func event(record: String, type: String = "function") -> Event {
        let marker = markers.next()
        let time = WallClock.iso8601(ms: WallClock.nowMs())
        let value = record.split(separator: "{marker}", omittingEmptySubsequences: false).joined(separator: marker)
        let text = "{\"time\":\"\(time)\",\"type\":\"\(type)\",\"record\":\(value)}"
        return Event(marker: marker, bytes: Array(text.utf8))
    }

    // MARK: Sending

    static func request(_ body: [UInt8], method: String = "POST", path: String = "/") -> [UInt8] {
        let head =
            "\(method) \(path) HTTP/1.1\r\nHost: sandbox.localdomain\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(body.count)\r\n\r\n"
        return Array(head.utf8) + body
    }

    /// Sends, and reads the answer. - Parameter onAnswer: called when the head of the answer has been read.
    @discardableResult
    func post(
        _ body: Body, over connection: RawConnection, timeout: Duration = .seconds(20), onAnswer: () -> Void = {}
    ) throws(RawConnectionError) -> Int {
        sent(body)
        try connection.send(Self.request(body.bytes))
        let answer = try connection.readResponse(timeout: timeout, onHead: onAnswer)
        if answer.status == 200 { confirmed(body) }
        return answer.status
    }

    @discardableResult
    func post(_ body: Body, port: UInt16) throws(RawConnectionError) -> Int {
        try post(body, over: try RawConnection(port: port))
    }

    /// Posts bodies until the process is gone or `isEnough`; one that got no 200 is sent again.
    /// - Parameter ahead: at most so many events more than the back end has.
    func load(
        _ stage: Stage, events: Int = 10, bytes: Int = 100, limit: Duration = .seconds(30), ahead: Int = .max,
        until isEnough: () throws -> Bool = { false }
    ) throws {
        let port = try stage.port()
        let deadline = ContinuousClock.now + limit
        var connection: RawConnection?
        while stage.process?.isRunning == true, ContinuousClock.now < deadline, try !isEnough() {
            if ahead < .max, acknowledged.count - stage.search.documentCount > ahead {
                pause(.milliseconds(1))
                continue
            }
            do throws(RawConnectionError) {
                let open = if let connection { connection } else { try RawConnection(port: port) }
                connection = open
                try post(pending ?? body(events, bytes: bytes), over: open)
            } catch {
                connection = nil
            }
        }
    }

    func sent(_ body: Body) {
        pending = body
        offered.formUnion(body.events.map(\.marker))
        sentElements += body.events.count
    }

    func confirmed(_ body: Body) {
        pending = nil
        acknowledged.formUnion(body.events.map(\.marker))
        acknowledgedElements += body.events.count
    }

    // MARK: Auditing

    struct Audit {
        /// Acknowledged and not stored.
        var missing: [String]
        /// Stored under more than one id.
        var doubled: [String]
        /// Stored and never sent.
        var foreign: [String]

        var isExact: Bool { missing.isEmpty && doubled.isEmpty && foreign.isEmpty }
    }

    func audit(_ documents: [[UInt8]]) -> Audit {
        var stored: [String: Int] = [:]
        for source in documents { stored[MarkerSource.find(in: source) ?? "unmarked", default: 0] += 1 }
        return Audit(
            missing: acknowledged.filter { stored[$0] == nil }.sorted(),
            doubled: stored.filter { $0.value > 1 }.map(\.key).sorted(),
            foreign: stored.keys.filter { !offered.contains($0) }.sorted())
    }

    func audit(_ search: FakeOpenSearch) -> Audit { audit(search.documents().map(\.source)) }

    /// Exactly once each, and a closing line whose every number fits.
    func expectExact(_ search: FakeOpenSearch, _ line: ClosingLine, sourceLocation: SourceLocation = #_sourceLocation) {
        let audit = audit(search)
        #expect(audit.missing.isEmpty, sourceLocation: sourceLocation)
        #expect(audit.doubled.isEmpty, sourceLocation: sourceLocation)
        #expect(audit.foreign.isEmpty, sourceLocation: sourceLocation)
        #expect(line.isBalanced, "\(line.fields)", sourceLocation: sourceLocation)
        #expect(line.count("delivered") == search.documentCount, "\(line.fields)", sourceLocation: sourceLocation)
        let received = line.count("received") ?? -1
        #expect(
            (acknowledgedElements...sentElements).contains(received),
            "acknowledged \(acknowledgedElements), sent \(sentElements), \(line.fields)", sourceLocation: sourceLocation
        )
    }
}
