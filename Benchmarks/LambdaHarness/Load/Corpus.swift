import LambdaSimulator

/// Telemetry as a Node.js function makes it: two text lines to one JSON line, about 280 bytes an event, no two alike.
struct Corpus {
    static let seed: UInt64 = 20_240_917
    static let fullBytes = 262_144

    private var random = SeededRandom(seed: Corpus.seed)
    private var line = 0
    private static let words = [
        "reserving", "stock", "for", "order", "checkout", "worker", "payment", "accepted", "retry", "user", "session",
        "cache", "miss", "latency", "query", "shard", "customer", "basket", "carrier", "label", "refund", "invoice",
    ].map { Array($0.utf8) }

    static func requestID(_ number: Int) -> String {
        let digits = String(number, radix: 16)
        return "3f0c1b9e-5a77-4c0e-9d7b-" + String(repeating: "0", count: 12 - digits.count) + digits
    }

    private static func time(_ line: Int) -> String {
        WallClock.iso8601(ms: 1_790_000_000_000 + Int64(line))
    }

    /// A POST of 25 events: the last invocation's report, this one's start, 22 lines, its runtimeDone.
    mutating func invocation(_ number: Int) -> [UInt8] {
        var body = Array("[".utf8)
        platform(
            "report", number - 1,
            "\"metrics\":{\"durationMs\":\(12 + number % 50).5,\"billedDurationMs\":\(13 + number % 50),"
                + "\"memorySizeMB\":512,\"maxMemoryUsedMB\":\(96 + number % 32)},\"status\":\"success\"", to: &body)
        platform("start", number, "\"version\":\"17\"", to: &body)
        for _ in 0..<22 { function(requestID: Self.requestID(number), to: &body) }
        platform("runtimeDone", number, "\"status\":\"success\",\"metrics\":{\"durationMs\":12.5}", to: &body)
        body[body.count - 1] = UInt8(ascii: "]")
        return body
    }

    /// A POST of function lines as large as the platform's default buffer. The number of its events beside it.
    mutating func full() -> (body: [UInt8], events: Int) {
        var body = Array("[".utf8)
        body.reserveCapacity(Self.fullBytes + 512)
        let requestID = Self.requestID(line)
        var events = 0
        var end = body.count
        while body.count <= Self.fullBytes {
            end = body.count
            function(requestID: requestID, to: &body)
            events += 1
        }
        body.removeSubrange(end...)
        body[body.count - 1] = UInt8(ascii: "]")
        return (body, events - 1)
    }

    /// A POST of `count` function lines, and the number of its first.
    mutating func lines(_ count: Int) -> (body: [UInt8], first: Int) {
        var body = Array("[".utf8)
        let first = line
        for _ in 0..<count { function(requestID: Self.requestID(first), to: &body) }
        body[body.count - 1] = UInt8(ascii: "]")
        return (body, first)
    }

    private func platform(_ type: String, _ number: Int, _ record: String, to body: inout [UInt8]) {
        body += Array(
            ("{\"time\":\"\(Self.time(line))\",\"type\":\"platform.\(type)\",\"record\":{\"requestId\":"
                + "\"\(Self.requestID(number))\",\(record)}},").utf8)
    }

    private mutating func function(requestID: String, to body: inout [UInt8]) {
        let time = Self.time(line)
        let isText = line % 3 != 2
        if isText {
            body += Array(
                "{\"time\":\"\(time)\",\"type\":\"function\",\"record\":\"\(time)\\t\(requestID)\\tINFO\\t".utf8)
        } else {
            body += Array(
                ("{\"time\":\"\(time)\",\"type\":\"function\",\"record\":{\"timestamp\":\"\(time)\",\"level\":\"INFO\","
                    + "\"requestId\":\"\(requestID)\",\"message\":\"").utf8)
        }
        var bits = random.next()
        for _ in 0..<(isText ? 14 : 9) {
            body += Self.words[Int(bits & 0xffff) % Self.words.count]
            body.append(UInt8(ascii: " "))
            bits = bits >> 4 | bits << 60
        }
        body += Array("\(Marker.prefix)".utf8)
        body += Array(String(line).utf8)
        if isText {
            body += Array(" in \(bits & 0xfff) us\\n\"},".utf8)
        } else {
            body += Array(" done\",\"sku\":\"A-\(bits & 0x3ff)\",\"left\":\(bits >> 32 & 0xff)}},".utf8)
        }
        line += 1
    }
}

/// The number of a line, written in it, by which it is found again.
enum Marker {
    static let prefix: StaticString = "line="

    static func find(in source: [UInt8]) -> Int? {
        source.withUnsafeBytes { bytes in
            guard let start = bytes.offset(of: prefix) else { return nil }
            let digits = bytes[(start + prefix.utf8CodeUnitCount)...].prefix { (0x30...0x39).contains($0) }
            return Int(String(decoding: digits, as: UTF8.self))
        }
    }
}
