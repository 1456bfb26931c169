package import HTTPTransport

/// What the answer to a whole bulk request means: which of the worker's ways it goes.
package enum RequestVerdict: Hashable, Sendable {
    /// 2xx: what its items confirm is settled, the rest is sent again.
    case items
    /// The request weighs too much: half of it. One document alone and still `tooLarge` is a reject; alone and still
    /// `pressure`, it waits.
    case split(Weight, after: Duration?)
    /// 400, 406, 415 and what else speaks of the request's content: plain once if it was gzip, then halved.
    case badRequest
    /// The connection was closed without an answer: a network fault, or what bad gzip gets.
    case closedWithoutAnswer
    /// 401, 403: kept and tried slowly, with fresh credentials.
    case unauthorized
    /// 404, 405, 410 and redirects: the URL leads to nothing that takes bulk requests. Kept and tried slowly.
    case notFound
    /// Passing. `after` is what `Retry-After` asked for.
    case retry(after: Duration?)

    package enum Weight: Hashable, Sendable {
        /// 413.
        case tooLarge
        /// 429: back-pressure. A request above a tenth of the server's heap gets it for ever, from an idle node too.
        case pressure
    }

    /// - Parameters:
    ///   - status: 100…599; anything else is retried.
    ///   - retryAfter: The header as sent.
    package init(status: Int, retryAfter: String? = nil) {
        let after = retryAfter.flatMap(Self.seconds)
        switch status {
        case 200..<300: self = .items
        case 300..<400, 404, 405, 410: self = .notFound
        case 401, 403, 407: self = .unauthorized
        case 408, 425: self = .retry(after: after)
        case 413: self = .split(.tooLarge, after: after)
        case 429: self = .split(.pressure, after: after)
        case 400..<500: self = .badRequest
        default: self = .retry(after: after)
        }
    }

    /// `Retry-After` in whole seconds, at most one hour; nil for an HTTP date, whose clock need not be ours, and for
    /// anything else.
    package static func seconds(_ header: String) -> Duration? {
        let digits = header.utf8.drop { $0 == 0x20 || $0 == 0x09 }.prefix { (0x30...0x39).contains($0) }
        let rest = header.utf8.drop { $0 == 0x20 || $0 == 0x09 }.dropFirst(digits.count)
        guard !digits.isEmpty, digits.count <= 9, rest.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) else { return nil }
        return .seconds(min(digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }, 3600))
    }
}

extension RequestVerdict {
    package init(_ error: HTTPError) {
        self = error == .closedWithoutAnswer ? .closedWithoutAnswer : .retry(after: nil)
    }

    package init(_ response: HTTPResponse) {
        self.init(status: response.status, retryAfter: response.header("Retry-After"))
    }
}
