package import HTTPTransport

/// Makes the requests that concern groups at one PushGateway.
package struct PushRequest: Sendable {
    package var endpoint: Endpoint
    package var authentication: HTTPAuthentication
    package var connectTimeout: Duration

    package init(endpoint: Endpoint, authentication: HTTPAuthentication, connectTimeout: Duration = .seconds(5)) {
        self.endpoint = endpoint
        self.authentication = authentication
        self.connectTimeout = connectTimeout
    }

    /// Replaces the whole group. Not compressed: the body is small, and gateways before 1.5 take no gzip.
    package func put(_ group: ExpositionGroup, key: GroupingKey) -> HTTPRequest {
        var request = make("PUT", key.url(at: endpoint))
        request.headers = [HTTPHeader("Content-Type", Exposition.contentType)]
        request.body = Exposition.text(of: group)
        return request
    }

    /// The list of all groups, for ``StaleGroups``: to be streamed, it may be many megabytes.
    package func list(_ form: StaleGroups.Form) -> HTTPRequest {
        switch form {
        case .json: make("GET", endpoint.url(path: ["api", "v1", "metrics"]))
        case .text: make("GET", endpoint.url(path: ["metrics"]))
        }
    }

    /// Removes a group; one that is not there is fine.
    package func delete(_ key: GroupingKey) -> HTTPRequest {
        make("DELETE", key.url(at: endpoint))
    }

    private func make(_ method: String, _ url: String) -> HTTPRequest {
        HTTPRequest(
            method: method, url: url, authentication: authentication, connectTimeout: connectTimeout,
            responseLimit: 64 << 10)
    }
}
