import Deflate

/// The body of a request without its Content-Encoding, read as OpenSearch's netty reads it.
enum RequestBody {
    case body([UInt8])
    case tooLarge
    /// Not the encoding it claims to be: such a connection is closed without an answer.
    case broken

    static func decode(_ request: ServiceRequest, limit: Int) -> RequestBody {
        guard request.body.count <= limit else { return .tooLarge }
        switch request.contentEncoding?.lowercased() {
        case "gzip", "x-gzip":
            do {
                return .body(try Inflater.gunzipUnfinished(request.body, limit: limit))
            } catch DeflateError.tooLarge {
                return .tooLarge
            } catch {
                return .broken
            }
        default: return .body(request.body)
        }
    }
}
