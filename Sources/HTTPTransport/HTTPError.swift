/// Why an exchange did not end in an answer.
///
/// No case carries a URL, a header value or a text of the remote side, so that a description may go into a log line.
package enum HTTPError: Error, Sendable, Equatable {
    /// The host's name could not be resolved.
    case resolve
    /// No connection: refused, unreachable.
    case connect
    /// The proxy could not be resolved, or refused the tunnel.
    case proxy
    /// The handshake failed, or the certificate is not trusted or not this host's.
    case tls
    /// The connect or the total time of the request ran out.
    case timeout
    /// The peer closed before the first byte of an answer.
    case closedWithoutAnswer
    /// The connection broke while the request was written or the answer read.
    case interrupted
    /// What came is not HTTP.
    case malformedAnswer
    /// The body passed `responseLimit`.
    case responseTooLarge
    /// The receiver of a streamed body had enough.
    case cancelled
    /// No listening socket. `errno` of the call that failed.
    case bind(Int32)
    /// The request cannot be sent as it is; the text names the part.
    case invalid(StaticString)
    /// The C library failed, or a state that should not exist.
    case `internal`(StaticString)

    // StaticString is not Equatable; every case has a description of its own.

    package static func == (left: HTTPError, right: HTTPError) -> Bool {
        left.description == right.description
    }
}

extension HTTPError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .resolve: "host not resolved"
        case .connect: "no connection"
        case .proxy: "no connection through the proxy"
        case .tls: "TLS handshake failed"
        case .timeout: "timed out"
        case .closedWithoutAnswer: "closed without an answer"
        case .interrupted: "connection interrupted"
        case .malformedAnswer: "answer is not HTTP"
        case .responseTooLarge: "answer too large"
        case .cancelled: "cancelled"
        case .bind(let code): "cannot listen (errno \(code))"
        case .invalid(let what): "invalid request: \(what)"
        case .internal(let what): "internal: \(what)"
        }
    }
}
