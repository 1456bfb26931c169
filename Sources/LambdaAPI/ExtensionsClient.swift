package import HTTPTransport
import JSON

/// What `register` answered. Older environments leave out parts of the body.
package struct Registration: Sendable, Equatable {
    /// Goes with every later call.
    package let identifier: String
    package let functionName: String?
    /// `$LATEST` or a number.
    package let functionVersion: String?
    package let accountID: String?
}

/// The Extensions API, version 2020-01-01.
/// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
package struct ExtensionsClient {
    private let base: String
    private let client: HTTPClient

    /// - Parameter runtimeAPI: host and port, as `AWS_LAMBDA_RUNTIME_API` has them.
    package init(runtimeAPI: String, client: HTTPClient) {
        base = "http://\(runtimeAPI)/2020-01-01/extension"
        self.client = client
    }

    /// - Parameter name: the file name of the executable; the API refuses any other.
    package func register(name: String, events: [LifecycleEventKind]) throws(ExtensionsError) -> Registration {
        var body = JSONWriter()
        body.beginObject()
        body.key("events")
        body.beginArray()
        for event in events { body.string(event.rawValue) }
        body.endArray()
        body.endObject()
        let response = try client.controlPlane(
            HTTPRequest(
                method: "POST", url: "\(base)/register",
                headers: [
                    HTTPHeader("Lambda-Extension-Name", name),
                    HTTPHeader("Lambda-Extension-Accept-Feature", "accountId"),
                    HTTPHeader("Content-Type", "application/json"),
                ],
                body: body.bytes, proxy: .never, totalTimeout: .seconds(10)))
        guard response.status == 200 else { throw ExtensionsError(response) }
        guard let identifier = response.header("Lambda-Extension-Identifier"), !identifier.isEmpty else {
            throw .malformed("no extension identifier")
        }
        let strings = FlatObject(response.body)?.strings ?? [:]
        return Registration(
            identifier: identifier, functionName: strings["functionName"],
            functionVersion: strings["functionVersion"], accountID: strings["accountId"])
    }

    /// Says that the last event is dealt with and blocks until the next one, without any timeout: the environment may
    /// be frozen inside this call for hours.
    package func next(_ identifier: String) throws(ExtensionsError) -> LifecycleEvent {
        let response = try client.controlPlane(
            HTTPRequest(
                url: "\(base)/event/next", headers: [HTTPHeader("Lambda-Extension-Identifier", identifier)],
                proxy: .never, totalTimeout: nil))
        guard response.status == 200 else { throw ExtensionsError(response) }
        guard let event = LifecycleEvent(body: response.body) else { throw .malformed("no event type") }
        return event
    }
}

extension HTTPClient {
    func controlPlane(_ request: HTTPRequest) throws(ExtensionsError) -> HTTPResponse {
        do {
            return try perform(request)
        } catch {
            throw .transport(error)
        }
    }
}
