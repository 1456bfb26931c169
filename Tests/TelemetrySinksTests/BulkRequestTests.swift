import Deflate
import HTTPTransport
import Testing

@testable import TelemetrySinks

@Suite struct BulkRequestTests {
    static func pieces(_ texts: [String]) throws -> [BulkRequest.Piece] {
        let encoder = try ChunkEncoder(level: 1)
        return try texts.map { text in
            let bytes = Array(text.utf8)
            let lines = try bytes.withUnsafeBytes { try encoder.encode($0) }
            return BulkRequest.Piece(stored: lines.stored, linesCRC: lines.linesCRC, linesLength: bytes.count)
        }
    }

    private static func maker(_ url: String = "https://u:p@search/es", wait: Int = 30) throws -> BulkRequest {
        let endpoint = try Endpoint(parsing: url)
        return BulkRequest(endpoint: endpoint, authentication: endpoint.basicAuthentication, serverWaitSeconds: wait)
    }

    private static let texts = [
        "{\"create\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{\"x\":1}\n",
        "{\"create\":{\"_index\":\"a\",\"_id\":\"2\"}}\n{\"x\":2}\n",
    ]

    @Test func `a request joins chunks into one gzip member`() throws {
        let request = try Self.maker().gzip(try Self.pieces(Self.texts))
        #expect(request.method == "POST")
        #expect(
            request.url
                == "https://search/es/_bulk?filter_path=errors%2Citems.%2A._id%2Citems.%2A.status%2Citems.%2A.error.type%2Citems.%2A.error.reason&timeout=30s"
        )
        #expect(
            request.headers == [
                HTTPHeader("Content-Type", "application/x-ndjson"), HTTPHeader("Content-Encoding", "gzip"),
            ])
        let body = try #require(request.body)
        #expect(String(decoding: try Inflater.gunzip(body, limit: 4096), as: UTF8.self) == Self.texts.joined())
        guard case .basic(let user, let password) = request.authentication else {
            Issue.record("no basic authentication")
            return
        }
        #expect(user == "u" && password == "p")
    }

    @Test func `the plain form carries the same lines`() throws {
        let request = try Self.maker(wait: 0).plain(try Self.pieces(Self.texts))
        #expect(request.body == Array(Self.texts.joined().utf8))
        #expect(request.headers == [HTTPHeader("Content-Type", "application/x-ndjson")])
        #expect(request.url.hasSuffix("&timeout=1s"))
    }

    @Test func `a damaged piece is an error, not a shorter request`() throws {
        var pieces = try Self.pieces(Self.texts)
        pieces[1].linesLength += 1
        #expect(throws: DeflateError.self) { try Self.maker().plain(pieces) }
    }
}

@Suite struct PushRequestTests {
    @Test func `the requests to a gateway`() throws {
        let endpoint = try Endpoint(parsing: "u:p@gateway:9091/p", form: .urlOrHost)
        let requests = PushRequest(endpoint: endpoint, authentication: endpoint.basicAuthentication)
        let key = GroupingKey(job: "f", instance: "i")
        let put = requests.put(ExpositionTests.group(), key: key)
        #expect(put.method == "PUT" && put.url == "http://gateway:9091/p/metrics/job/f/instance/i")
        #expect(put.headers == [HTTPHeader("Content-Type", "text/plain; version=0.0.4; charset=utf-8")])
        #expect(put.body == Exposition.text(of: ExpositionTests.group()))
        let delete = requests.delete(key)
        #expect(delete.method == "DELETE" && delete.url == put.url && delete.body == nil)
        #expect(requests.list(.json).url == "http://gateway:9091/p/api/v1/metrics")
        #expect(requests.list(.text).url == "http://gateway:9091/p/metrics")
    }
}
