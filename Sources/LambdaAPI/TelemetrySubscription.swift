package import HTTPTransport
import JSON

package enum SubscriptionResult: Sendable, Equatable {
    /// With the schema version that was accepted.
    case subscribed(schema: String)
    /// An emulator without a Telemetry API: nothing will come.
    case notSupported
}

/// What is asked of the Telemetry API. https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html
package struct TelemetrySubscription: Sendable {
    /// `platform`, `function`, `extension`.
    package var types: [String]
    /// 1,000 to 10,000 events.
    package var maxItems: Int
    /// 262,144 to 1,048,576.
    package var maxBytes: Int
    /// 25 to 30,000.
    package var timeoutMs: Int
    /// Where our listener is bound.
    package var port: UInt16

    /// Newest first: an environment that does not know one refuses it with 400.
    package static let schemas = ["2025-01-29", "2022-12-13", "2022-07-01"]

    package init(types: [String], maxItems: Int, maxBytes: Int, timeoutMs: Int, port: UInt16) {
        self.types = types
        self.maxItems = maxItems
        self.maxBytes = maxBytes
        self.timeoutMs = timeoutMs
        self.port = port
    }

    /// Possible only between `register` and the first `next`.
    package func subscribe(
        identifier: String, runtimeAPI: String, client: HTTPClient
    ) throws(ExtensionsError) -> SubscriptionResult {
        var refusal = ExtensionsError.malformed("no schema")
        for schema in Self.schemas {
            let response = try client.controlPlane(
                HTTPRequest(
                    // The date is the API's version; the schema's stands in the body.
                    method: "PUT", url: "http://\(runtimeAPI)/2022-07-01/telemetry",
                    headers: [
                        HTTPHeader("Lambda-Extension-Identifier", identifier),
                        HTTPHeader("Content-Type", "application/json"),
                    ],
                    body: body(schema: schema), proxy: .never, totalTimeout: .seconds(3)))
            switch response.status {
            case 202: return .notSupported
            case 200..<300: return .subscribed(schema: schema)
            case 400: refusal = ExtensionsError(response)
            default: throw ExtensionsError(response)
            }
        }
        throw refusal
    }

    func body(schema: String) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.key("schemaVersion")
        json.string(schema)
        json.key("types")
        json.beginArray()
        for type in types { json.string(type) }
        json.endArray()
        json.key("buffering")
        json.beginObject()
        json.key("maxItems")
        json.integer(maxItems)
        json.key("maxBytes")
        json.integer(maxBytes)
        json.key("timeoutMs")
        json.integer(timeoutMs)
        json.endObject()
        json.key("destination")
        json.beginObject()
        json.key("protocol")
        json.string("HTTP")
        json.key("URI")
        json.string("http://sandbox.localdomain:\(port)")
        json.endObject()
        json.endObject()
        return json.bytes
    }
}
