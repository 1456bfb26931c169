import CCurl

/// One blocking exchange at a time on one kept connection: the control plane.
///
/// Belongs to the thread that made it. A kept connection that died in the meantime, as after a thaw, is replaced by
/// libcurl within the same call.
package final class HTTPClient {
    private let handle: UnsafeMutableRawPointer

    package init() throws(HTTPError) {
        guard HTTPTransport.isInitialized, let handle = curl_easy_init() else {
            throw .internal("libcurl failed to start")
        }
        self.handle = handle
    }

    deinit { curl_easy_cleanup(handle) }

    /// Blocks until the answer is complete or the exchange has failed.
    package func perform(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse {
        // Resetting keeps the connection, the session ids and the cached names.
        curl_easy_reset(handle)
        let transfer = Transfer(request, onBody: nil)
        // Also after a failure the handle must not keep pointers into the transfer.
        defer { curl_easy_reset(handle) }
        try transfer.configure(handle)
        let code = withExtendedLifetime(transfer) { curl_easy_perform(handle) }
        return try transfer.outcome(code).get()
    }
}
