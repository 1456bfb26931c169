/// One request against the stand-in's interface.
struct OpenSearchRoutes {
    let request: ServiceRequest
    let options: FakeOpenSearch.Options
    let faults: FaultPlan
    /// Items at the end of a bulk request that are neither stored nor answered.
    let ignored: Int

    private static let commonParameters: Set<String> = ["filter_path", "pretty", "human", "error_trace", "source"]
    private static let bulkParameters: Set<String> = [
        "refresh", "timeout", "wait_for_active_shards", "pipeline", "require_alias", "routing", "_source",
        "_source_includes", "_source_excludes", "type", "index", "batch_size",
    ]

    init(request: ServiceRequest, options: FakeOpenSearch.Options, faults: FaultPlan, ignored: Int) {
        self.request = request
        self.options = options
        self.faults = faults
        self.ignored = ignored
    }

    func answer(_ store: inout DocumentStore) -> ServiceOutcome {
        do throws(OpenSearchFailure) {
            var outcome = try route(&store)
            if let path = request.query["filter_path"].flatMap({ FilterPath($0) }), !options.ignoresFilterPath,
                let answer = outcome.answer, let json = try? StrictJSON.parse(answer.body)
            {
                outcome.answer = ServiceAnswer(answer.status, json: path.apply(to: json))
            }
            if request.method == "HEAD" { outcome.answer?.body = [] }
            return outcome
        } catch {
            var answer = error.answer
            if request.method == "HEAD" { answer.body = [] }
            return ServiceOutcome(answer)
        }
    }

    private func route(_ store: inout DocumentStore) throws(OpenSearchFailure) -> ServiceOutcome {
        let parts = request.path.split(separator: "/").map { FaultyServer.percentDecoded(String($0)) }
        if let refusal = contentTypeRefusal { return ServiceOutcome(refusal) }
        switch (parts.count, parts.last) {
        case (0, _): return ServiceOutcome(ServiceAnswer(200, json: Self.greeting))
        case (1, "_bulk"): return try bulk(&store, defaultIndex: nil)
        case (2, "_bulk"): return try bulk(&store, defaultIndex: parts[0])
        case (2, _) where parts[0] == "_index_template": return ServiceOutcome(try template(parts[1], &store))
        case (2, "_count"): return ServiceOutcome(try count(parts[0], store))
        case (1, "_search"): return ServiceOutcome(try listing("_all", store))
        case (2, "_search"): return ServiceOutcome(try listing(parts[0], store))
        case (2, "_refresh"): return ServiceOutcome(ServiceAnswer(200, json: ["_shards": Self.shards]))
        case (2, "_settings") where request.method == "PUT":
            return ServiceOutcome(try settings(parts[0], &store))
        case (2, "_close"), (2, "_open"):
            store.setClosed(parts[0], parts[1] == "_close")
            return ServiceOutcome(ServiceAnswer(200, json: ["acknowledged": true, "shards_acknowledged": true]))
        case (3, _) where parts[1] == "_doc": return ServiceOutcome(try document(parts[0], parts[2], store))
        case (2, "indices") where parts[0] == "_cat": return ServiceOutcome(catalogue(store))
        case (2, "health") where parts[0] == "_cluster":
            return ServiceOutcome(
                ServiceAnswer(200, json: ["cluster_name": "simulated", "status": "green", "timed_out": false]))
        case (1, let name?) where !name.hasPrefix("_"): return ServiceOutcome(try index(name, &store))
        default:
            return ServiceOutcome(
                ServiceAnswer(
                    400,
                    json: [
                        "error": .string("no handler found for uri [\(request.path)] and method [\(request.method)]")
                    ]))
        }
    }

    /// Only a request with a body needs a content type.
    private var contentTypeRefusal: ServiceAnswer? {
        guard !request.body.isEmpty else { return nil }
        let type = request.contentType ?? ""
        let media = type.split(separator: ";").first.map { $0.lowercased().filter { $0 != " " } } ?? ""
        guard !["application/json", "application/x-ndjson"].contains(media) else { return nil }
        return ServiceAnswer(
            406, json: ["error": .string("Content-Type header [\(type)] is not supported"), "status": 406])
    }

    private func wrongMethod(allowed: String) -> ServiceAnswer {
        ServiceAnswer(
            405,
            json: [
                "error": .string(
                    "Incorrect HTTP method for uri [\(request.path)] and method [\(request.method)], "
                        + "allowed: [\(allowed)]"), "status": 405,
            ])
    }

    private func checkParameters() throws(OpenSearchFailure) {
        let unknown = request.query.keys.filter {
            !Self.commonParameters.contains($0) && !Self.bulkParameters.contains($0)
        }
        guard let first = unknown.min() else { return }
        throw .illegalArgument("request [\(request.path)] contains unrecognized parameter: [\(first)]")
    }

    private func bulk(_ store: inout DocumentStore, defaultIndex: String?) throws(OpenSearchFailure) -> ServiceOutcome {
        guard request.method == "POST" || request.method == "PUT" else {
            return ServiceOutcome(wrongMethod(allowed: "POST, PUT"))
        }
        let parsed: Result<[BulkAction], OpenSearchFailure> = request.body.withUnsafeBytes { body in
            do throws(OpenSearchFailure) {
                return .success(
                    try BulkParser.parse(body, defaultIndex: defaultIndex, defaultPipeline: request.query["pipeline"]))
            } catch {
                return .failure(error)
            }
        }
        let actions = try parsed.get()
        try checkParameters()
        var execution = BulkExecution(body: request.body, faults: faults)
        let answer = execution.run(actions.dropLast(ignored), on: &store)
        return ServiceOutcome(ServiceAnswer(200, json: answer), stored: execution.stored)
    }

    private func json() throws(OpenSearchFailure) -> JSONValue? {
        guard !request.body.isEmpty else { return nil }
        do {
            return try StrictJSON.parse(request.body)
        } catch {
            throw OpenSearchFailure(400, error.type, error.reason)
        }
    }

    private func template(_ name: String, _ store: inout DocumentStore) throws(OpenSearchFailure) -> ServiceAnswer {
        switch request.method {
        case "PUT", "POST":
            if request.query["create"] == "true", store.templates[name] != nil {
                throw .illegalArgument("index template [\(name)] already exists")
            }
            try store.put(try IndexTemplate(name: name, body: request.body))
            return ServiceAnswer(200, json: ["acknowledged": true])
        case "GET", "HEAD":
            let found = store.templates.values.filter { FilterPath.matches(name, $0.name) }.sorted { $0.name < $1.name }
            guard !found.isEmpty || name.contains("*") else {
                throw OpenSearchFailure(
                    404, "resource_not_found_exception", "index template matching [\(name)] not found")
            }
            let list = found.map {
                JSONValue.object([.init("name", .string($0.name)), .init("index_template", $0.body)])
            }
            return ServiceAnswer(200, json: ["index_templates": .array(list)])
        case "DELETE":
            guard store.removeTemplate(name) else {
                throw OpenSearchFailure(404, "index_template_missing_exception", "index_template [\(name)] missing")
            }
            return ServiceAnswer(200, json: ["acknowledged": true])
        default: return wrongMethod(allowed: "DELETE, GET, HEAD, POST, PUT")
        }
    }

    private func index(_ name: String, _ store: inout DocumentStore) throws(OpenSearchFailure) -> ServiceAnswer {
        switch request.method {
        case "PUT":
            try store.create(name, body: try json())
            return ServiceAnswer(
                200, json: ["acknowledged": true, "shards_acknowledged": true, "index": .string(name)])
        case "DELETE":
            guard store.delete(name) || name.contains("*") else { throw .noSuchIndex(name) }
            return ServiceAnswer(200, json: ["acknowledged": true])
        case "GET", "HEAD":
            let names = store.resolve(name)
            guard !names.isEmpty || name.contains("*") else { throw .noSuchIndex(name) }
            let list = names.map { name in
                let settings = (store.indices[name]?.settings ?? [:]).sorted { $0.key < $1.key }
                return JSONValue.Member(
                    name,
                    [
                        "aliases": [:], "mappings": [:],
                        "settings": .object(settings.map { .init($0.key, .string($0.value)) }),
                    ])
            }
            return ServiceAnswer(200, json: .object(list))
        default: return wrongMethod(allowed: "DELETE, GET, HEAD, PUT")
        }
    }

    private func settings(_ name: String, _ store: inout DocumentStore) throws(OpenSearchFailure) -> ServiceAnswer {
        guard !store.resolve(name).isEmpty else { throw .noSuchIndex(name) }
        store.update(name, settings: IndexTemplate.flatSettings(try json()))
        return ServiceAnswer(200, json: ["acknowledged": true])
    }

    private func document(
        _ index: String, _ id: String, _ store: DocumentStore
    ) throws(OpenSearchFailure) -> ServiceAnswer {
        guard let name = store.resolve(index).first else { throw .noSuchIndex(index) }
        guard let found = store.indices[name]?.documents[id] else {
            return ServiceAnswer(404, json: ["_index": .string(name), "_id": .string(id), "found": false])
        }
        return ServiceAnswer(200, json: Self.hit(found, isFound: true))
    }

    private static func hit(_ document: StoredDocument, isFound: Bool) -> JSONValue {
        var members: [JSONValue.Member] = [
            .init("_index", .string(document.index)), .init("_id", .string(document.id)),
        ]
        if isFound {
            members += [
                .init("_version", .integer(document.version)), .init("_seq_no", .integer(document.sequenceNumber)),
                .init("_primary_term", 1), .init("found", true),
            ]
        } else {
            members.append(.init("_score", 1))
        }
        members.append(.init("_source", (try? StrictJSON.parse(document.source)) ?? .null))
        return .object(members)
    }

    private func count(_ expression: String, _ store: DocumentStore) throws(OpenSearchFailure) -> ServiceAnswer {
        let names = store.resolve(expression)
        guard !names.isEmpty || expression.contains("*") else { throw .noSuchIndex(expression) }
        let total = names.reduce(0) { $0 + (store.indices[$1]?.documents.count ?? 0) }
        return ServiceAnswer(200, json: ["count": .integer(total), "_shards": Self.shards])
    }

    /// Without a query language: `size` (10) and `from` (0) page through the documents in the order of their storing.
    private func listing(_ expression: String, _ store: DocumentStore) throws(OpenSearchFailure) -> ServiceAnswer {
        let names = store.resolve(expression)
        guard !names.isEmpty || expression.contains("*") || expression == "_all" else { throw .noSuchIndex(expression) }
        let wanted = try json()
        let size = request.query["size"].flatMap { Int($0) } ?? wanted?["size"]?.int ?? 10
        let from = request.query["from"].flatMap { Int($0) } ?? wanted?["from"]?.int ?? 0
        let all = names.flatMap { name in
            (store.indices[name]?.order ?? []).compactMap { store.indices[name]?.documents[$0] }
        }
        let page = all.dropFirst(max(0, from)).prefix(max(0, size)).map { Self.hit($0, isFound: false) }
        return ServiceAnswer(
            200,
            json: [
                "took": 1, "timed_out": false, "_shards": Self.shards,
                "hits": [
                    "total": ["value": .integer(all.count), "relation": "eq"], "max_score": 1, "hits": .array(page),
                ],
            ])
    }

    private func catalogue(_ store: DocumentStore) -> ServiceAnswer {
        let lines = store.indices.sorted { $0.key < $1.key }.map { name, index in
            "green \(index.isClosed ? "close" : "open") \(name) simulated 1 1 \(index.documents.count) 0\n"
        }
        return ServiceAnswer(200, text: lines.joined())
    }

    private static let shards: JSONValue = ["total": 1, "successful": 1, "skipped": 0, "failed": 0]

    private static let greeting: JSONValue = [
        "name": "simulated", "cluster_name": "simulated",
        "version": ["distribution": "opensearch", "number": "2.19.4", "build_type": "simulated"],
        "tagline": "The OpenSearch Project: https://opensearch.org/",
    ]
}
