package import HTTPTransport

/// What a PushGateway's answer to a push means.
package enum PushVerdict: Hashable, Sendable {
    case delivered
    /// 400 and other 4xx: this body will never be taken. Counted, said once; the next change makes another body.
    case bodyRefused
    /// 401, 403: kept and tried slowly.
    case unauthorized
    /// 404, 405, redirects: the URL is no PushGateway's.
    case notFound
    /// 408, 429, 5xx, broken connections: again later, with a body made anew from the totals of that time.
    case retry(after: Duration?)

    package init(status: Int, retryAfter: String? = nil) {
        switch status {
        case 200..<300: self = .delivered
        case 300..<400, 404, 405, 410: self = .notFound
        case 401, 403, 407: self = .unauthorized
        case 408, 425, 429: self = .retry(after: retryAfter.flatMap(RequestVerdict.seconds))
        case 400..<500: self = .bodyRefused
        default: self = .retry(after: retryAfter.flatMap(RequestVerdict.seconds))
        }
    }
}

extension PushVerdict {
    package init(_ error: HTTPError) {
        self = .retry(after: nil)
    }

    package init(_ response: HTTPResponse) {
        self.init(status: response.status, retryAfter: response.header("Retry-After"))
    }
}
