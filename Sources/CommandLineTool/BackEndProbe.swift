import HTTPTransport
import JSON
import TelemetrySinks

/// Asks a back end whether it is one.
struct BackEndProbe {
    enum Result: Equatable {
        /// What answered, with its version.
        case answers(String)
        /// Continues the variable's name. It quotes nothing that came from the other side but a status.
        case fault(String)
    }

    let client: HTTPClient
    let endpoint: Endpoint
    let authentication: HTTPAuthentication

    func openSearch() -> Result {
        let response: HTTPResponse
        switch get([""]) {
        case .failure(let fault): return .fault(fault)
        case .success(let answer): response = answer
        }
        switch response.status {
        case 200:
            guard let version = Self.version(of: response.body) else {
                return .fault("leads to \(endpoint), which answers, but not as OpenSearch does")
            }
            return .answers("\(version) at \(endpoint)")
        case 404 where endpoint.awsService?.service == "aoss":
            // Serverless collections have no root page.
            return .answers("a serverless collection at \(endpoint)")
        default: return .fault(refusal(response.status))
        }
    }

    func pushGateway() -> Result {
        let response: HTTPResponse
        switch get(["-", "healthy"]) {
        case .failure(let fault): return .fault(fault)
        case .success(let answer): response = answer
        }
        switch response.status {
        case 200: return .answers("a PushGateway at \(endpoint)")
        case 404, 405: return .fault("leads to \(endpoint), which answers, but not as a PushGateway does")
        default: return .fault(refusal(response.status))
        }
    }

    /// A PushGateway gets the secret's login only if it asks, as in a function.
    var asksForLogin: Bool {
        guard case .success(let answer) = get(["-", "healthy"]) else { return false }
        return answer.status == 401
    }

    // MARK: Requests

    private enum Answer {
        case success(HTTPResponse)
        case failure(String)
    }

    private func get(_ path: [String]) -> Answer {
        let request = HTTPRequest(
            url: endpoint.url(path: path), authentication: authentication, totalTimeout: .seconds(10),
            responseLimit: 64 << 10)
        do throws(HTTPError) {
            return .success(try client.perform(request))
        } catch {
            return .failure(sentence(error))
        }
    }

    private func refusal(_ status: Int) -> String {
        switch status {
        case 300..<400: "leads to \(endpoint), which redirects (HTTP \(status)): give the URL it redirects to"
        case 401: "leads to \(endpoint), which wants other credentials (HTTP 401): \(sentCredentials)"
        case 403: "leads to \(endpoint), which forbids the request (HTTP 403): \(sentCredentials)"
        case 404: "leads to \(endpoint), where nothing is (HTTP 404): a path may be missing"
        default: "leads to \(endpoint), which is not well (HTTP \(status))"
        }
    }

    private var sentCredentials: String {
        switch authentication {
        case .none: "none were sent"
        case .basic: "a user and a password were sent"
        case .awsSigV4: "the request was signed with the AWS keys of the environment"
        }
    }

    private func sentence(_ error: HTTPError) -> String {
        switch error {
        case .resolve: "names a host that cannot be resolved: \(endpoint.host)"
        case .connect: "leads to \(endpoint), where nothing accepts connections, or a firewall is in the way"
        case .proxy: "is asked for through a proxy of the environment, which cannot be reached or refuses"
        case .tls:
            "leads to \(endpoint), whose certificate is not trusted or not for this host, or which speaks no TLS"
        case .timeout: "leads to \(endpoint), which does not answer within 10 s"
        case .closedWithoutAnswer, .interrupted:
            "leads to \(endpoint), which closes the connection: it may want \(endpoint.scheme == .http ? "https" : "http")"
        case .malformedAnswer: "leads to \(endpoint), which speaks no HTTP"
        case .responseTooLarge, .cancelled, .bind, .invalid, .internal: "cannot be asked: \(error)"
        }
    }

    /// The product and version of an answer to `GET /`; nil when it is none.
    private static func version(of body: [UInt8]) -> String? {
        var number: String?
        var distribution = "Elasticsearch"
        // What is no JSON has no version.
        try? JSONReader.read(body) { reader throws(JSONError) in
            try reader.beginObject()
            while let key = try reader.nextKey() {
                guard key == "version", try reader.peek() == .object else {
                    try reader.skip()
                    continue
                }
                try reader.beginObject()
                while let key = try reader.nextKey() {
                    switch key {
                    case "number": number = try reader.optionalString()
                    case "distribution":
                        distribution =
                            try reader.optionalString() == "opensearch" ? "OpenSearch" : "another distribution"
                    default: try reader.skip()
                    }
                }
            }
        }
        guard let number, number.utf8.count < 64, number.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        return "\(distribution) \(number)"
    }
}
