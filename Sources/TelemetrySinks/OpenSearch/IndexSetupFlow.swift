package import HTTPTransport
package import TelemetryModel

/// The set-up of one index name, request by request: the worker performs ``request`` and tells what came of it, until
/// there is an ``outcome``.
///
/// Template: the list of templates is asked for once; unless one covers the name, ours is put (`create=true`, so that
/// of several environments the first wins). Index: `HEAD`, then `PUT` when it is missing. An index that exists keeps
/// the mapping it has.
package struct IndexSetupFlow: Sendable {
    package private(set) var outcome: IndexSetupOutcome?

    private enum Step { case listTemplates, putTemplate, headIndex, putIndex }

    private let pattern: IndexPattern
    private let index: String
    private let endpoint: Endpoint
    private let authentication: HTTPAuthentication
    private var step: Step

    /// - Parameters:
    ///   - pattern: The one that `index` was made by.
    ///   - index: The name that the next bulk request writes to.
    package init(
        mode: IndexSetupMode, pattern: IndexPattern, index: String, endpoint: Endpoint,
        authentication: HTTPAuthentication
    ) {
        self.pattern = pattern
        self.index = index
        self.endpoint = endpoint
        self.authentication = authentication
        self.step = mode == .index ? .headIndex : .listTemplates
        self.outcome = mode == .none ? .ready : nil
    }

    /// What is to be sent next; nil once there is an outcome.
    package var request: HTTPRequest? {
        guard outcome == nil else { return nil }
        let template = IndexSetup.templateName(for: pattern)
        return switch step {
        case .listTemplates:
            make(
                "GET", ["_index_template"],
                query: [("filter_path", "index_templates.name,index_templates.index_template.index_patterns")])
        case .putTemplate:
            make(
                "PUT", ["_index_template", template], query: [("create", "true")],
                body: IndexSetup.templateBody(for: pattern))
        case .headIndex: make("HEAD", [index])
        case .putIndex: make("PUT", [index], body: IndexSetup.indexBody())
        }
    }

    package mutating func received(_ result: Result<HTTPResponse, HTTPError>) {
        guard outcome == nil else { return }
        switch result {
        case .failure(.responseTooLarge) where step == .listTemplates: step = .putTemplate
        case .failure: outcome = .retry
        case .success(let response): received(response)
        }
    }

    private mutating func received(_ response: HTTPResponse) {
        switch (step, response.status) {
        case (_, 403): outcome = .refused(.forbidden)
        // Who asks is not known, which says nothing about what they may do.
        case (_, 401), (_, 408), (_, 429), (_, 500...): outcome = .retry
        case (.listTemplates, 200):
            // What is no list of templates says nothing about them; the PUT will.
            let list = IndexTemplateList(body: response.body)
            let isCovered = list?.covers(index, own: IndexSetup.templateName(for: pattern)) ?? false
            if isCovered { outcome = .ready } else { step = .putTemplate }
        case (.listTemplates, _): step = .putTemplate
        case (.headIndex, 200): outcome = .ready
        case (.headIndex, 404): step = .putIndex
        case (_, 200..<300): outcome = .ready
        case (.headIndex, _): outcome = .refused(.invalid)
        case (.putTemplate, _), (.putIndex, _): outcome = Self.refusal(response)
        }
    }

    /// A PUT that was not taken: somebody else may have been first.
    private static func refusal(_ response: HTTPResponse) -> IndexSetupOutcome {
        var parser = BulkResponseParser()
        parser.feed(response.body)
        guard response.status == 400, let error = parser.answer.requestError else { return .refused(.invalid) }
        if ["resource_already_exists_exception", "index_already_exists_exception"].contains(error.type) {
            return .ready
        }
        if error.reason.hasPrefix("index template ["), error.reason.hasSuffix("] already exists") { return .ready }
        // One of ours for a wider pattern has the same mapping.
        if error.reason.holds("matching patterns from existing templates [permafrost-") { return .ready }
        if error.reason.holds("matching patterns from existing templates")
            || error.reason.holds("that creates data streams only")
        {
            return .refused(.otherTemplate)
        }
        return .refused(.invalid)
    }

    private func make(
        _ method: String, _ path: [String], query: [(name: String, value: String)] = [], body: [UInt8]? = nil
    ) -> HTTPRequest {
        HTTPRequest(
            method: method, url: endpoint.url(path: path, query: query),
            headers: body == nil ? [] : [HTTPHeader("Content-Type", "application/json")], body: body,
            authentication: authentication, totalTimeout: .seconds(30), responseLimit: 1 << 20)
    }
}
