package import Deflate
package import HTTPTransport
package import TelemetryModel

/// Makes bulk requests to one back end.
package struct BulkRequest: Sendable {
    /// A chunk's stored bytes and what a trailer needs of its lines.
    package struct Piece: Sendable {
        package var stored: [UInt8]
        package var linesCRC: UInt32
        package var linesLength: Int

        package init(stored: [UInt8], linesCRC: UInt32, linesLength: Int) {
            self.stored = stored
            self.linesCRC = linesCRC
            self.linesLength = linesLength
        }

        package init(_ chunk: Chunk) {
            self.init(stored: chunk.stored, linesCRC: chunk.linesCRC, linesLength: chunk.linesLength)
        }
    }

    package var endpoint: Endpoint
    package var authentication: HTTPAuthentication
    /// How long the server may wait for a primary shard or an index to be made, in whole seconds from 1. The default of
    /// the server, a minute, would hold up all other items of the request with the one that waits.
    package var serverWaitSeconds: Int
    package var connectTimeout: Duration

    package init(
        endpoint: Endpoint, authentication: HTTPAuthentication, serverWaitSeconds: Int = 30,
        connectTimeout: Duration = .seconds(5)
    ) {
        self.endpoint = endpoint
        self.authentication = authentication
        self.serverWaitSeconds = serverWaitSeconds
        self.connectTimeout = connectTimeout
    }

    /// One gzip member of all pieces, joined without inflating or deflating anything.
    package func gzip(_ pieces: [Piece]) -> HTTPRequest {
        var joiner = GzipJoiner(reservingCapacity: pieces.reduce(0) { $0 + $1.stored.count })
        for piece in pieces {
            joiner.append(stored: piece.stored, linesCRC: piece.linesCRC, linesLength: piece.linesLength)
        }
        var request = plain(lines: joiner.finish())
        request.headers.append(HTTPHeader("Content-Encoding", "gzip"))
        return request
    }

    /// The same documents uncompressed, for a back end that wants no gzip.
    package func plain(_ pieces: [Piece]) throws(DeflateError) -> HTTPRequest {
        plain(lines: try Self.lines(of: pieces))
    }

    /// A request of lines as they are.
    package func plain(lines: [UInt8]) -> HTTPRequest {
        HTTPRequest(
            method: "POST",
            url: endpoint.url(
                path: ["_bulk"],
                query: [("filter_path", Self.filterPath), ("timeout", "\(max(1, serverWaitSeconds))s")]),
            headers: [HTTPHeader("Content-Type", "application/x-ndjson")], body: lines,
            authentication: authentication, connectTimeout: connectTimeout, responseLimit: 64 << 20)
    }

    /// The uncompressed lines of all pieces.
    package static func lines(of pieces: [Piece]) throws(DeflateError) -> [UInt8] {
        var lines: [UInt8] = []
        lines.reserveCapacity(pieces.reduce(0) { $0 + $1.linesLength })
        for piece in pieces { lines += try Inflater.inflate(stored: piece.stored, length: piece.linesLength) }
        return lines
    }

    /// Every item with its id, because the order of items is not safe. The error of a whole request is not filtered.
    private static let filterPath = "errors,items.*._id,items.*.status,items.*.error.type,items.*.error.reason"
}

extension Endpoint {
    /// What the URL's user-info says, sent with the first request.
    package var basicAuthentication: HTTPAuthentication {
        guard let user else { return .none }
        return .basic(user: user, password: password?.value ?? "")
    }
}
