import HTTPTransport
import Testing

@Suite struct HTTPRequestParserTests {
    /// What a request comes to when it arrives in pieces of `step` bytes.
    private func parse(_ text: String, step: Int, limits: HTTPServerLimits = HTTPServerLimits()) throws -> String {
        let buffer = try #require(ReceiveBuffer())
        var parser = HTTPRequestParser(limits: limits)
        let bytes = Array(text.utf8)
        var offset = 0
        var progress = HTTPRequestParser.Progress.needsMore
        while offset < bytes.count, progress == .needsMore {
            let end = min(bytes.count, offset + step)
            #expect(bytes[offset..<end].withUnsafeBytes { buffer.append($0) })
            offset = end
            progress = parser.advance(buffer)
        }
        switch progress {
        case .needsMore: return "needs more"
        case .refused(let status): return "\(status)"
        case .complete(let body):
            let head = parser.head
            let part = { (range: Range<Int>) in String(decoding: buffer.bytes[range], as: UTF8.self) }
            let fields = head.fields.map { "\(part($0.name))=\(part($0.value))" }.joined(separator: "&")
            let rest = part(body.upperBound..<buffer.count) + String(decoding: bytes[offset...], as: UTF8.self)
            return "\(part(head.method)) \(part(head.target)) \(fields) [\(part(body))] rest [\(rest)]"
        }
    }

    @Test(arguments: [1, 2, 3, 7, 1000])
    func `a request comes to the same however it is cut`(step: Int) throws {
        let cases = [
            ("GET / HTTP/1.1\r\n\r\n", "GET /  [] rest []"),
            ("\r\n\nGET /a?b HTTP/1.1\nHost: \t x y \t\r\n\n", "GET /a?b Host=x y [] rest []"),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET", "POST / Content-Length=3 [abc] rest [GET]"),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n00A\r\n0123456789\r\n"
                    + "0\r\nX: y\r\n\r\nGET",
                "POST / Transfer-Encoding=Chunked [abc0123456789] rest [GET]"
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
                "POST / Content-Length=3&Content-Length=3 [abc] rest []"
            ),
        ]
        for (text, expected) in cases { #expect(try parse(text, step: step) == expected) }
    }

    @Test(arguments: [
        ("GET /\r\n\r\n", "400"), ("GET / HTTP/2.0\r\n\r\n", "505"), ("GET / HTTP/1.\r\n\r\n", "400"),
        ("GET / HTTP/1.9\r\n\r\n", "GET /  [] rest []"), ("G\u{1}T / HTTP/1.1\r\n\r\n", "400"),
        ("GET /a\u{7F} HTTP/1.1\r\n\r\n", "400"), ("GET / HTTP/1.1\r\nA b: c\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nA : c\r\n\r\n", "400"), ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "400"), ("GET / HTTP/1.1\r\n: x\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", "400"), ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n", "400"), ("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "501"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "400"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", "400"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n", "413"),
    ])
    func `where two readers could disagree a request is refused`(text: String, expected: String) throws {
        for step in [1, 1000] { #expect(try parse(text, step: step) == expected) }
    }

    @Test func `chunks and trailers have bounds too`() throws {
        let limits = HTTPServerLimits(bodyBytes: 4, headerBytes: 100)
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        #expect(try parse(head + "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", step: 1, limits: limits).contains("[abcd]"))
        #expect(try parse(head + "3\r\nabc\r\n2\r\nde\r\n", step: 1, limits: limits) == "413")
        for step in [1, 100, 10_000] {
            #expect(try parse(head + String(repeating: "1", count: 2000), step: step, limits: limits) == "400")
            let longest = "1;" + String(repeating: "x", count: 1022)
            let rest = "\na\n0\n\n"
            #expect(try parse(head + longest + rest, step: step, limits: limits).contains("[a]"))
            #expect(try parse(head + longest + "x" + rest, step: step, limits: limits) == "400")
        }
        #expect(try parse(head + "0\r\n" + String(repeating: "a: b\r\n", count: 50), step: 7, limits: limits) == "431")
        #expect(try parse(head + "0\r\n" + String(repeating: "a", count: 200), step: 7, limits: limits) == "431")
    }

    @Test func `a body of 200,000 tiny chunks takes linear time`() throws {
        let text =
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + String(repeating: "1\r\na\r\n", count: 200_000)
            + "0\r\n\r\n"
        let start = ContinuousClock.now
        #expect(try parse(text, step: 1 << 20).count > 200_000)
        // Quadratic, this is 120 GB of memory traffic.
        #expect(ContinuousClock.now - start < .seconds(8))
    }
}
