/// How a request proves who sends it. Never part of a description or an error.
package enum HTTPAuthentication: Sendable {
    case none
    /// Sent with the first request, without waiting for a 401.
    case basic(user: String, password: String)
    /// AWS Signature Version 4. The URL must be canonical: query names sorted, everything outside `A-Za-z0-9-._~`
    /// percent-encoded; libcurl 7.88 signs path and query as they stand.
    case awsSigV4(service: String, region: String, accessKey: String, secretKey: String, sessionToken: String?)
}

/// Whether `http_proxy`, `https_proxy`, `ALL_PROXY` and `NO_PROXY` apply.
package enum ProxyPolicy: Sendable {
    /// For the control plane: a function's `http_proxy` must not capture the Runtime API.
    case never
    /// As the environment says, but never for loopback and link-local hosts.
    case environment
}

/// One request, as a value: what is sent does not depend on HOME, the working directory or a `.netrc`.
package struct HTTPRequest: Sendable {
    package var method: String
    /// `http://` or `https://`, percent-encoded already; sent as it stands.
    package var url: String
    package var headers: [HTTPHeader]
    /// `nil`: no body at all. An empty array is a body of length 0.
    package var body: [UInt8]?
    package var authentication: HTTPAuthentication
    package var proxy: ProxyPolicy
    /// Bounds name look-up, connect and TLS handshake.
    package var connectTimeout: Duration
    /// From the start to the last byte; `nil`: no bound (the long poll of `next`).
    package var totalTimeout: Duration?
    /// Bytes of the body that are kept; one more is `HTTPError.responseTooLarge`. A streamed body is not bounded.
    package var responseLimit: Int
    /// A connection of its own, not one from the pool.
    package var requiresFreshConnection: Bool

    package init(
        method: String = "GET",
        url: String,
        headers: [HTTPHeader] = [],
        body: [UInt8]? = nil,
        authentication: HTTPAuthentication = .none,
        proxy: ProxyPolicy = .environment,
        connectTimeout: Duration = .seconds(5),
        totalTimeout: Duration? = nil,
        responseLimit: Int = 1 << 20,
        requiresFreshConnection: Bool = false
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.authentication = authentication
        self.proxy = proxy
        self.connectTimeout = connectTimeout
        self.totalTimeout = totalTimeout
        self.responseLimit = responseLimit
        self.requiresFreshConnection = requiresFreshConnection
    }
}

/// A final answer: redirects are answers too, interim 1xx ones are not.
package struct HTTPResponse: Sendable, Equatable {
    package var status: Int
    package var headers: [HTTPHeader]
    /// Empty when the body was streamed.
    package var body: [UInt8]

    package init(status: Int, headers: [HTTPHeader] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The first value of the named field.
    package func header(_ name: String) -> String? {
        headers.first { $0.isNamed(name) }?.value
    }
}
