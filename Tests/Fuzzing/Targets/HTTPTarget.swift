import HTTPTransport

/// The listener's reading of requests: a seed for the pieces, then the bytes of a connection.
enum HTTPTarget {
    static func check(_ input: [UInt8]) throws {
        guard let seed = input.first else { return }
        // Small ones, so that inputs of a few hundred bytes reach them.
        let limits = seed & 1 == 0 ? HTTPServerLimits() : HTTPServerLimits(bodyBytes: 64, headerBytes: 128)
        let stream = Array(input.dropFirst())
        var first: [Outcome]?
        for pieces in Pieces.everyWay(stream, seed: seed) {
            let outcomes = try Self.outcomes(pieces, limits)
            if let first { try expectEqual(outcomes, first, "in \(pieces.count) pieces") } else { first = outcomes }
        }
        for case .request(let request) in first ?? [] { try roundTrip(request, limits) }
        try chunked(stream, seed: seed)
    }

    private struct Request: Equatable {
        var method: [UInt8]
        var target: [UInt8]
        var fields: [[UInt8]]
        var body: [UInt8]
        var keepsAlive: Bool
        var expectsContinue: Bool
    }

    private enum Outcome: Equatable {
        case request(Request)
        case refused(Int)
        case unfinished
    }

    /// All that a connection brings, as the server goes about it: what follows a request begins the next one.
    private static func outcomes(_ pieces: [ArraySlice<UInt8>], _ limits: HTTPServerLimits) throws -> [Outcome] {
        var outcomes: [Outcome] = []
        var buffer = try self.buffer([])
        var parser = HTTPRequestParser(limits: limits)
        for piece in pieces {
            try expect(piece.withUnsafeBytes { buffer.append($0) }, "no memory")
            advancing: while true {
                switch parser.advance(buffer) {
                case .needsMore: break advancing
                case .refused(let status):
                    try expect([400, 405, 413, 431, 501, 505].contains(status), "refused with \(status)")
                    return outcomes + [.refused(status)]
                case .complete(let body):
                    try expect(body.upperBound <= buffer.count && body.count <= limits.bodyBytes, "body \(body)")
                    outcomes.append(.request(request(parser.head, body, buffer)))
                    buffer = try self.buffer(Array(buffer.bytes[body.upperBound...]))
                    parser = HTTPRequestParser(limits: limits)
                    if buffer.count == 0 { break advancing }
                }
            }
        }
        return outcomes + [.unfinished]
    }

    private static func buffer(_ bytes: [UInt8]) throws -> ReceiveBuffer {
        guard let buffer = ReceiveBuffer(), bytes.withUnsafeBytes({ buffer.append($0) }) else {
            throw Finding(description: "no memory")
        }
        return buffer
    }

    private static func request(
        _ head: HTTPRequestParser.Head, _ body: Range<Int>, _ buffer: ReceiveBuffer
    ) -> Request {
        let part = { (range: Range<Int>) in Array(buffer.bytes[range]) }
        return Request(
            method: part(head.method), target: part(head.target),
            fields: head.fields.map { part($0.name) + Array(": ".utf8) + part($0.value) }, body: part(body),
            keepsAlive: head.keepsAlive, expectsContinue: head.expectsContinue)
    }

    /// What was read, written plainly, is read as the same: nothing in it can end a line or a request early.
    private static func roundTrip(_ request: Request, _ limits: HTTPServerLimits) throws {
        let crlf = Array("\r\n".utf8)
        let isFraming = { (field: [UInt8]) in
            let name = String(decoding: field, as: UTF8.self).lowercased()
            return name.hasPrefix("content-length:") || name.hasPrefix("transfer-encoding:")
        }
        let fields = request.fields.filter { !isFraming($0) }
        var text = request.method + [0x20] + request.target + Array(" HTTP/1.1".utf8) + crlf
        for field in fields { text += field + crlf }
        text += Array("Content-Length: \(request.body.count)".utf8) + crlf + crlf + request.body
        let wide = HTTPServerLimits(bodyBytes: limits.bodyBytes, headerBytes: limits.headerBytes * 4 + 256)
        let again = try outcomes([text[...]], wide)
        guard again.count == 2, case .request(let read) = again[0] else {
            throw Finding(description: "written plainly it is \(again)")
        }
        try expect(
            read.method == request.method && read.target == request.target && read.body == request.body
                && read.fields.dropLast() == fields[...], "written plainly it is \(read)")
    }

    /// Any bytes as a body in chunks come out as they went in.
    private static func chunked(_ body: [UInt8], seed: UInt8) throws {
        var text = Array("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        for chunk in Pieces.cut(body, seed: UInt64(seed), longest: 24) {
            text += Array("\(String(chunk.count, radix: 16));x=\"y\"\r\n".utf8) + chunk + Array("\r\n".utf8)
        }
        text += Array("0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n\r\n".utf8)
        let outcomes = try outcomes(Pieces.cut(text, seed: UInt64(seed) + 1, longest: 40), HTTPServerLimits())
        guard outcomes.count == 3, case .request(let post) = outcomes[0], case .request(let get) = outcomes[1] else {
            throw Finding(description: "a body in chunks: \(outcomes)")
        }
        try expect(post.body == body && get.method == Array("GET".utf8), "a body in chunks comes out as another")
    }
}
