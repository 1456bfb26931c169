/// What one item of a bulk answer means for its document.
///
/// Decided by status, `error.type` and `error.reason`, never by status 400 alone: a closed index, a reached shard limit
/// and a missing pipeline are 400s too, and no fault of the document. What is not known to be the document's fault
/// stays. The texts are those of OpenSearch 2.19.4 and, where they differ, of Elasticsearch 7 and 8.
package enum ItemVerdict: Hashable, Sendable {
    /// Stored, by this request or an earlier one; or dropped on purpose by an ingest pipeline.
    case delivered
    /// Its content cannot be mapped or parsed in this shape: once more in the safe shape, then a reject.
    case documentAtFault
    /// 413 for this one document: a reject.
    case tooLarge
    /// The collection takes no ids (Amazon OpenSearch Serverless, time series): again without, and so from now on.
    case idUnsupported
    /// An ingest pipeline failed on it: a bounded number of tries, then a reject.
    case pipelineFailure
    /// The index or the cluster refuses; the document waits. `slow`: until an operator acts, so minutes between tries.
    case indexUnavailable(slow: Bool)
    /// Passing: back off and send again.
    case retry

    package init(status: Int, type: String, reason: String) {
        switch status {
        case 200..<300: self = .delivered
        case 400: self = Self.badRequest(type: type, reason: reason)
        case 401, 403, 404: self = .indexUnavailable(slow: true)
        case 409: self = type.isEmpty || type == "version_conflict_engine_exception" ? .delivered : .retry
        case 413: self = .tooLarge
        // Flood stage: the disk is full, which back-pressure is not.
        case 429: self = type == "cluster_block_exception" ? .indexUnavailable(slow: true) : .retry
        case 500...: self = Self.serverError(status: status, type: type, reason: reason)
        default: self = .retry
        }
    }

    /// True when the document may end among the rejects for it, so that the reason must be kept.
    package var mayReject: Bool {
        switch self {
        case .documentAtFault, .tooLarge, .pipelineFailure: true
        case .delivered, .idUnsupported, .indexUnavailable, .retry: false
        }
    }

    private static func badRequest(type: String, reason: String) -> ItemVerdict {
        if documentTypes.contains(type) { return .documentAtFault }
        if pipelineTypes.contains(type) { return .pipelineFailure }
        if type == "illegal_argument_exception" {
            if reason.holds("Document ID is not supported") { return .idUnsupported }
            if documentReasons.contains(where: { reason.holds($0) }) { return .documentAtFault }
            if isPipelineReason(reason) { return .pipelineFailure }
        }
        return .indexUnavailable(slow: true)
    }

    private static func serverError(status: Int, type: String, reason: String) -> ItemVerdict {
        if pipelineTypes.contains(type) { return .pipelineFailure }
        if type == "illegal_state_exception", reason.holds("non-existent pipeline") {
            return .indexUnavailable(slow: true)
        }
        return .retry
    }

    /// Types that always speak of the document's content.
    private static let documentTypes: Set<String> = [
        "mapper_parsing_exception", "document_parsing_exception", "strict_dynamic_mapping_exception",
        "json_parse_exception", "json_e_o_f_exception", "not_x_content_exception", "x_content_parse_exception",
        "x_content_e_o_f_exception", "input_coercion_exception", "stream_constraints_exception",
        "number_format_exception", "date_time_parse_exception", "max_bytes_length_exceeded_exception",
    ]

    /// `illegal_argument_exception` is thrown for documents and for indices alike; these texts are the documents'.
    private static let documentReasons = [
        "Limit of total fields [", "Limit of mapping depth [", "Limit of nested fields [",
        "] is longer than the limit of [",
        "The number of nested documents has exceeded", "The depth of the field has exceeded",
        "The depth of the nested array field has exceeded", "] cannot be changed from type [",
        "can't merge a non object mapping", "can't merge a non-object mapping", "can't merge a non nested mapping",
        "can't merge a non-nested mapping", "cannot be changed from nested to non-nested",
        "cannot be changed from non-nested to nested", "] of different type, current_type [",
        "Document contains at least one immense term", "is too large, must be <= 32766",
        "object field starting or ending with a [.]", "field name cannot be an empty string",
        "field name cannot contain only", "name cannot be empty string",
        "is a metadata field and cannot be added inside",
        "documents must contain a single-valued timestamp field", "must be of type object but found [",
        "failed to parse date field [", "Duplicate field '",
    ]

    /// Types that ingest processors throw, with 400 or 500.
    private static let pipelineTypes: Set<String> = [
        "fail_processor_exception", "script_exception", "ingest_processor_exception", "dissect_exception", "find_match",
    ]

    /// Most processors report their failure as a 400 `illegal_argument_exception` (asked of 2.19.4, one processor
    /// each). Such a document fails in its pipeline for ever, so it gets the bounded tries that a 5xx of a pipeline
    /// gets.
    private static func isPipelineReason(_ reason: String) -> Bool {
        let beginnings = [
            "Provided Grok expressions do not match field value", "unable to convert [", "unable to parse date [",
            "cannot set [", "cannot remove [", "cannot append [", "com.fasterxml.jackson.core.JsonParseException",
        ]
        if beginnings.contains(where: { reason.hasPrefix($0) }) { return true }
        let faults = [
            "] doesn't exist", "] not present as part of path [", "] cannot be cast to [",
            "does not contain value_split [",
            "] is null", "] already exists",
        ]
        return reason.hasPrefix("field [") && faults.contains { reason.holds($0) }
    }
}
