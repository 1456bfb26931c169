/// A stored document.
package struct StoredDocument: Sendable {
    package var index: String
    package var id: String
    package var source: [UInt8]
    package var version: Int
    package var sequenceNumber: Int
}

/// The indices of a ``FakeOpenSearch``: everything that outlives a request.
package struct DocumentStore: Sendable {
    struct Index: Sendable {
        var mapping: IndexMapping
        var settings: [String: String]
        var createdMs: Int64
        var documents: [String: StoredDocument] = [:]
        var order: [String] = []
        var nextSequenceNumber = 0
        var isClosed = false
        /// Set on the write index of a data stream.
        var isDataStream = false
    }

    private(set) var indices: [String: Index] = [:]
    /// Stream to its write index.
    private(set) var dataStreams: [String: String] = [:]
    private(set) var templates: [String: IndexTemplate] = [:]
    /// Off: a bulk into a missing index is a 404.
    var createsIndices = true
    private var generatedIDs = 0

    // MARK: Templates and indices

    mutating func put(_ template: IndexTemplate) throws(OpenSearchFailure) {
        for other in templates.values where other.name != template.name && other.priority == template.priority {
            let overlap = template.patterns.filter { pattern in
                other.patterns.contains { FilterPath.matches($0, pattern) || FilterPath.matches(pattern, $0) }
            }
            guard overlap.isEmpty else {
                throw .illegalArgument(
                    "index template [\(template.name)] has index patterns [\(overlap.joined(separator: ", "))] matching "
                        + "patterns from existing templates [\(other.name)] with patterns (\(other.name) => "
                        + "[\(other.patterns.joined(separator: ", "))]) that have the same priority "
                        + "[\(template.priority)], multiple index templates may not match during index creation, "
                        + "please use a different priority")
            }
        }
        templates[template.name] = template
    }

    mutating func removeTemplate(_ name: String) -> Bool { templates.removeValue(forKey: name) != nil }

    private func template(for name: String) -> IndexTemplate? {
        templates.values.filter { $0.matches(name) }.max { $0.priority < $1.priority }
    }

    mutating func create(_ name: String, body: JSONValue? = nil) throws(OpenSearchFailure) {
        if let problem = IndexName.problem(name) { throw problem }
        guard indices[name] == nil, dataStreams[name] == nil else {
            throw OpenSearchFailure(
                400, "resource_already_exists_exception", "index [\(name)/simulated] already exists")
        }
        let template = template(for: name)
        let isStream = template?.isDataStream ?? false
        let parts = template?.body["template"]
        var settings = IndexTemplate.flatSettings(parts?["settings"])
        settings.merge(IndexTemplate.flatSettings(body?["settings"])) { $1 }
        let mappings = Self.merged(parts?["mappings"], body?["mappings"])
        let index = Index(
            mapping: IndexMapping(settings: settings, mappings: mappings, requiresTimestamp: isStream),
            settings: settings, createdMs: WallClock.nowMs(), isDataStream: isStream)
        if isStream {
            let backing = ".ds-\(name)-000001"
            dataStreams[name] = backing
            indices[backing] = index
        } else {
            indices[name] = index
        }
    }

    private static func merged(_ low: JSONValue?, _ high: JSONValue?) -> JSONValue? {
        guard case .object(var members) = low, case .object(let over) = high else { return high ?? low }
        for member in over {
            members.removeAll { $0.name == member.name }
            members.append(.init(member.name, merged(low?[member.name], member.value) ?? member.value))
        }
        return .object(members)
    }

    mutating func delete(_ pattern: String) -> Bool {
        let names = resolve(pattern)
        for name in names {
            indices[name] = nil
            dataStreams = dataStreams.filter { $0.value != name }
        }
        return !names.isEmpty
    }

    /// Index names behind a comma list with wildcards; data streams stand for their write index.
    func resolve(_ expression: String) -> [String] {
        var names: Set<String> = []
        for pattern in expression.split(separator: ",").map(String.init) {
            let isAll = pattern == "_all"
            names.formUnion(indices.keys.filter { isAll || FilterPath.matches(pattern, $0) })
            names.formUnion(dataStreams.filter { FilterPath.matches(pattern, $0.key) }.map(\.value))
        }
        return names.sorted()
    }

    mutating func setClosed(_ name: String, _ isClosed: Bool) {
        for index in resolve(name) { indices[index]?.isClosed = isClosed }
    }

    mutating func update(_ expression: String, settings: [String: String]) {
        for index in resolve(expression) {
            var all = indices[index]?.settings ?? [:]
            all.merge(settings) { $1 }
            // `null` takes a setting back.
            indices[index]?.settings = all.filter { $0.value != "null" }
        }
    }

    // MARK: Documents

    /// The result of one action that succeeded.
    struct Written {
        var index: String
        var id: String
        var version: Int
        var sequenceNumber: Int
        var result: String
        var status: Int
    }

    mutating func write(_ action: BulkAction, source: () -> [UInt8]) throws(OpenSearchFailure) -> Written {
        let name = try writeTarget(of: action)
        if let id = action.id, id.isEmpty {
            throw .illegalArgument("if _id is specified it must not be empty")
        }
        if let pipeline = action.pipeline, !pipeline.isEmpty, pipeline != "_none" {
            throw .illegalArgument("pipeline with id [\(pipeline)] does not exist")
        }
        let id = action.id ?? generateID()
        switch action.operation {
        case .create, .index:
            let bytes = source()
            if action.operation == .create { try checkAbsent(id, in: name) }
            try admit(bytes, id: id, into: name)
            return store(bytes, id: id, in: name, isUpdate: indices[name]?.documents[id] != nil)
        case .update: return try update(id, in: name, with: source())
        case .delete: return remove(id, from: name)
        }
    }

    private mutating func writeTarget(of action: BulkAction) throws(OpenSearchFailure) -> String {
        let name = dataStreams[action.index] ?? action.index
        if dataStreams[action.index] != nil, action.operation != .create {
            throw .illegalArgument("only write ops with an op_type of create are allowed in data streams")
        }
        if action.requiresAlias {
            throw OpenSearchFailure(
                404, "index_not_found_exception",
                "no such index [\(name)] and [require_alias] request flag is [true] and [\(name)] is not an alias")
        }
        guard let index = indices[name] else {
            if let problem = IndexName.problem(name) { throw problem }
            guard createsIndices else { throw .noSuchIndex(name) }
            if action.operation != .create, template(for: name)?.isDataStream == true {
                throw .illegalArgument("only write ops with an op_type of create are allowed in data streams")
            }
            try create(name)
            return dataStreams[name] ?? name
        }
        if index.isClosed { throw OpenSearchFailure(400, "index_closed_exception", "closed") }
        if index.settings["index.blocks.write"] == "true" {
            throw Self.blocked(name, 403, "FORBIDDEN/8/index write (api)")
        }
        if index.settings["index.blocks.read_only"] == "true" {
            throw Self.blocked(name, 403, "FORBIDDEN/5/index read-only (api)")
        }
        if index.settings["index.blocks.read_only_allow_delete"] == "true", action.operation != .delete {
            throw Self.blocked(
                name, 429,
                "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block"
            )
        }
        return name
    }

    private static func blocked(_ name: String, _ status: Int, _ block: String) -> OpenSearchFailure {
        .init(status, "cluster_block_exception", "index [\(name)] blocked by: [\(block)];")
    }

    private mutating func generateID() -> String {
        generatedIDs += 1
        return "generated-\(generatedIDs)"
    }

    private func checkAbsent(_ id: String, in name: String) throws(OpenSearchFailure) {
        guard let present = indices[name]?.documents[id] else { return }
        throw OpenSearchFailure(
            409, "version_conflict_engine_exception",
            "[\(id)]: version conflict, document already exists (current version [\(present.version)])")
    }

    private static let notContent = (
        type: "not_x_content_exception",
        reason: "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes"
    )

    private mutating func admit(_ bytes: [UInt8], id: String, into name: String) throws(OpenSearchFailure) {
        guard !bytes.isEmpty else { throw .mapperParsing("failed to parse, document is empty") }
        // The format is guessed from the first character, before any parser looks at it.
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        guard bytes[start...].first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) == UInt8(ascii: "{") else {
            throw .mapperParsing("failed to parse", cause: Self.notContent)
        }
        let document: JSONValue
        do {
            document = try StrictJSON.parse(bytes)
        } catch {
            throw .mapperParsing("failed to parse", cause: (error.type, error.reason))
        }
        guard case .object = document else {
            throw .mapperParsing("failed to parse", cause: Self.notContent)
        }
        try indices[name]?.mapping.admit(document, id: id)
    }

    private mutating func store(_ bytes: [UInt8], id: String, in name: String, isUpdate: Bool) -> Written {
        let sequenceNumber = indices[name]?.nextSequenceNumber ?? 0
        let version = (indices[name]?.documents[id]?.version ?? 0) + 1
        indices[name]?.nextSequenceNumber = sequenceNumber + 1
        indices[name]?.documents[id] = StoredDocument(
            index: name, id: id, source: bytes, version: version, sequenceNumber: sequenceNumber)
        if !isUpdate { indices[name]?.order.append(id) }
        return Written(
            index: name, id: id, version: version, sequenceNumber: sequenceNumber,
            result: isUpdate ? "updated" : "created", status: isUpdate ? 200 : 201)
    }

    /// Rudimentary: the members of `doc` replace those of the document.
    private mutating func update(_ id: String, in name: String, with bytes: [UInt8]) throws(OpenSearchFailure)
        -> Written
    {
        guard let present = indices[name]?.documents[id] else {
            throw OpenSearchFailure(404, "document_missing_exception", "[\(id)]: document missing")
        }
        guard let change = try? StrictJSON.parse(bytes), let old = try? StrictJSON.parse(present.source),
            let merged = Self.merged(old, change["doc"])
        else { throw .illegalArgument("script or doc is missing") }
        try admit(merged.encoded, id: id, into: name)
        return store(merged.encoded, id: id, in: name, isUpdate: true)
    }

    private mutating func remove(_ id: String, from name: String) -> Written {
        let present = indices[name]?.documents.removeValue(forKey: id)
        indices[name]?.order.removeAll { $0 == id }
        let sequenceNumber = indices[name]?.nextSequenceNumber ?? 0
        indices[name]?.nextSequenceNumber = sequenceNumber + 1
        return Written(
            index: name, id: id, version: (present?.version ?? 0) + 1, sequenceNumber: sequenceNumber,
            result: present == nil ? "not_found" : "deleted", status: present == nil ? 404 : 200)
    }
}
