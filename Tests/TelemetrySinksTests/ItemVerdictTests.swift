import Testing

@testable import TelemetrySinks

/// The rows are what OpenSearch 2.19.4 answered, and the older and Elasticsearch's texts where they differ.
@Suite struct ItemVerdictTests {
    typealias Row = (status: Int, type: String, reason: String)

    private func check(_ rows: [Row], _ verdict: ItemVerdict) {
        for row in rows {
            #expect(ItemVerdict(status: row.status, type: row.type, reason: row.reason) == verdict, "\(row)")
        }
    }

    @Test func `stored, stored before, and dropped by a pipeline are all delivered`() {
        check(
            [
                (201, "", ""), (200, "", ""),
                (
                    409, "version_conflict_engine_exception",
                    "[1]: version conflict, document already exists (current version [1])"
                ),
            ], .delivered)
    }

    @Test func `mapping, parsing and field limits are the document's fault`() {
        let illegal = "illegal_argument_exception"
        check(
            [
                (
                    400, "mapper_parsing_exception",
                    "object mapping for [record] tried to parse field [record] as object, but found a concrete value"
                ),
                (
                    400, "mapper_parsing_exception",
                    "failed to parse field [record] of type [text] in document with id '2'. Preview of field's value: '{a=1}'"
                ),
                (400, "mapper_parsing_exception", "failed to parse"),
                (400, "mapper_parsing_exception", "failed to parse, document is empty"),
                (400, "document_parsing_exception", "[1:7] failed to parse field [a]"),
                (
                    400, "strict_dynamic_mapping_exception",
                    "mapping set to strict, dynamic introduction of [z] within [_doc] is not allowed"
                ),
                (400, "json_parse_exception", "Duplicate field 'a'"),
                (400, illegal, "Limit of total fields [1000] has been exceeded"),
                (400, illegal, "Limit of total fields [1000] in index [x] has been exceeded"),
                (400, illegal, "Limit of mapping depth [20] has been exceeded due to object field [a.b]"),
                (400, illegal, "Field name [abcdefghijklmnopqrstuvwxyz] is longer than the limit of [20] characters"),
                (400, illegal, "mapper [x] cannot be changed from type [long] to [text]"),
                (400, illegal, "can't merge a non object mapping [w] with an object mapping"),
                (
                    400, illegal,
                    "Document contains at least one immense term in field=\"k\" (whose UTF8 encoding is longer than the max length 32766), …"
                ),
                (400, illegal, "object field starting or ending with a [.] makes object resolution ambiguous: [.a]"),
                (400, illegal, "field name cannot be an empty string"),
                (400, illegal, "documents must contain a single-valued timestamp field '@timestamp' of date type"),
            ], .documentAtFault)
    }

    @Test func `a pipeline that fails gets bounded tries`() {
        let illegal = "illegal_argument_exception"
        check(
            [
                (500, "fail_processor_exception", "no"), (400, "script_exception", "runtime error"),
                (500, "script_exception", "runtime error"),
                (500, "find_match", "Unable to find match for dissect pattern"),
                (400, illegal, "Provided Grok expressions do not match field value: [text here]"),
                (400, illegal, "unable to convert [text here] to integer"),
                (400, illegal, "unable to parse date [text]"),
                (400, illegal, "field [zzz] doesn't exist"),
                (400, illegal, "field [n] of type [java.lang.Integer] cannot be cast to [java.lang.String]"),
                (400, illegal, "cannot set [q] with parent object of type [java.lang.String] as part of path [s.q]"),
            ], .pipelineFailure)
    }

    @Test func `what the index or the cluster refuses waits, status 400 included`() {
        let illegal = "illegal_argument_exception"
        check(
            [
                (400, "index_closed_exception", "closed"),
                (
                    400, "validation_exception",
                    "Validation Failed: 1: this action would add [2] total shards, but this cluster currently has [0]/[1] maximum shards open;"
                ),
                (400, illegal, "pipeline with id [nope] does not exist"),
                (400, illegal, "no write index is defined for alias [a]. The write index may be explicitly disabled"),
                (400, illegal, "only write ops with an op_type of create are allowed in data streams"),
                (400, "invalid_index_name_exception", "Invalid index name [UPPER], must be lowercase"),
                (403, "cluster_block_exception", "index [h] blocked by: [FORBIDDEN/8/index write (api)];"),
                (403, "cluster_block_exception", "index [h] blocked by: [FORBIDDEN/5/index read-only (api)];"),
                (403, "security_exception", "no permissions for [indices:admin/create] and User [name=writer, …]"),
                (404, "index_not_found_exception", "no such index [nope]"),
                (
                    404, "index_not_found_exception",
                    "no such index [a] and [require_alias] request flag is [true] and [a] is not an alias"
                ),
                (
                    429, "cluster_block_exception",
                    "index [h] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];"
                ),
                (500, "illegal_state_exception", "Pipeline processor configured for non-existent pipeline [nothere]"),
                (400, "", ""), (400, "never_heard_of_exception", "x"), (400, illegal, "never heard of either"),
            ], .indexUnavailable(slow: true))
    }

    @Test func `back-pressure, missing shards and the unknown are tried again`() {
        check(
            [
                (429, "rejected_execution_exception", "rejected execution of org.opensearch.action…"),
                (429, "es_rejected_execution_exception", "rejected execution"),
                (429, "circuit_breaking_exception", "[parent] Data too large"),
                (503, "unavailable_shards_exception", "[un][0] primary shard is not active Timeout: [1s]"),
                (503, "no_shard_available_action_exception", ""),
                (503, "cluster_block_exception", "blocked by: no master"),
                (503, "process_cluster_event_timeout_exception", ""), (500, "null_pointer_exception", ""),
                (502, "", ""), (504, "", ""), (408, "", ""), (302, "", ""), (409, "something_else", ""),
            ], .retry)
    }

    @Test func `a collection without ids and a document too large have verdicts of their own`() {
        check(
            [(400, "illegal_argument_exception", "Document ID is not supported in create/index operation request")],
            .idUnsupported)
        check([(413, "", "")], .tooLarge)
    }

    @Test func `a document cannot choose its verdict by what its reason quotes`() {
        check(
            [
                (400, "index_closed_exception", "Limit of total fields [1] has been exceeded"),
                (400, "illegal_argument_exception", "pipeline with id [unable to convert [] does not exist"),
            ], .indexUnavailable(slow: true))
    }
}

@Suite struct RequestVerdictTests {
    @Test(arguments: [
        (200, RequestVerdict.items), (400, .badRequest), (406, .badRequest), (415, .badRequest), (422, .badRequest),
        (401, .unauthorized), (403, .unauthorized), (404, .notFound), (405, .notFound), (301, .notFound),
        (413, .split(.tooLarge, after: nil)), (429, .split(.pressure, after: nil)), (408, .retry(after: nil)),
        (500, .retry(after: nil)), (502, .retry(after: nil)), (503, .retry(after: nil)), (504, .retry(after: nil)),
    ])
    func `a status sends a whole request one way`(status: Int, verdict: RequestVerdict) {
        #expect(RequestVerdict(status: status) == verdict)
    }

    @Test(arguments: [
        ("7", Duration.seconds(7)), (" 0 ", .seconds(0)), ("999999", .seconds(3600)),
        ("Wed, 21 Oct 2026 07:28:00 GMT", nil as Duration?), ("-1", nil), ("", nil), ("1.5", nil),
        ("99999999999999999999", nil),
    ])
    func `Retry-After counts in whole seconds only`(header: String, duration: Duration?) {
        #expect(RequestVerdict(status: 503, retryAfter: header) == .retry(after: duration))
        #expect(PushVerdict(status: 429, retryAfter: header) == .retry(after: duration))
    }

    @Test(arguments: [
        (200, PushVerdict.delivered), (202, .delivered), (400, .bodyRefused), (401, .unauthorized),
        (403, .unauthorized),
        (404, .notFound), (405, .notFound), (500, .retry(after: nil)), (503, .retry(after: nil)),
    ])
    func `a status sends a push one way`(status: Int, verdict: PushVerdict) {
        #expect(PushVerdict(status: status) == verdict)
    }
}
