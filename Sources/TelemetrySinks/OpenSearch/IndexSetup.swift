package import TelemetryModel

/// `PERMAFROST_INDEX_SETUP`.
package enum IndexSetupMode: String, CaseIterable, Sendable {
    /// An index template for the pattern of the name.
    case template
    /// The index itself.
    case index
    /// Nothing: somebody else sees to it.
    case none
}

/// The mapping and settings that our documents want, and the decisions about where to put them.
///
/// A template of the user's for the same names is never overridden: it may make data streams, and a template of ours
/// with the higher priority would break their rollover. So the cluster's templates are listed first, and only when none
/// but catch-alls (`*`) matches is ours put. Its priority is above a catch-all's usual one; a catch-all with a higher
/// one wins, as its author wanted.
package enum IndexSetup {
    /// Highest wins; templates do not merge. The one that the server's documentation uses in its examples is 100.
    package static let templatePriority = 150

    /// `permafrost-` and the pattern with the date's places spelled out: a legal name, and a different one for each
    /// pattern.
    package static func templateName(for pattern: IndexPattern) -> String {
        var name = "permafrost-"
        var characters = pattern.text.makeIterator()
        while let character = characters.next() {
            guard character == "%" else {
                name.append(character)
                continue
            }
            switch characters.next() {
            case "Y": name += "yyyy"
            case "m": name += "mm"
            default: name += "dd"
            }
        }
        return name
    }

    /// Names follow ``IndexPattern``'s rules and need no escaping.
    package static func templateBody(for pattern: IndexPattern) -> [UInt8] {
        let text =
            "{\"index_patterns\":[\"\(pattern.wildcard)\"],\"priority\":\(templatePriority),"
            + "\"template\":{\(definition)},"
            + "\"_meta\":{\"description\":\"Lambda telemetry, put by permafrost; never changed by it afterwards\"}}"
        return Array(text.utf8)
    }

    package static func indexBody() -> [UInt8] {
        Array("{\(definition)}".utf8)
    }

    /// `record_text` is mapped from the start: past the field limit no new field is taken, and that is when it is
    /// needed. `ignore_malformed` keeps documents whose values do not fit the type that an earlier one suggested.
    /// `ignore_above` is the longest keyword that surely fits a term of 32,766 bytes. Shards and replicas are the
    /// cluster's business.
    private static let definition =
        "\"settings\":{\"index\":{\"mapping\":{\"ignore_malformed\":true}}},"
        + "\"mappings\":{\"properties\":{"
        + "\"@timestamp\":{\"type\":\"date\"},"
        + "\"time\":{\"type\":\"date\"},"
        + "\"type\":\(keyword),"
        + "\"record\":{\"type\":\"object\",\"dynamic\":true,\"properties\":{\"message\":{\"type\":\"text\"}}},"
        + "\"record_text\":{\"type\":\"text\"},"
        + "\"faas\":{\"properties\":{\"name\":\(keyword),\"version\":\(keyword),\"instance\":\(keyword),"
        + "\"invocation_id\":\(keyword)}},"
        + "\"cloud\":{\"properties\":{\"account\":{\"properties\":{\"id\":\(keyword)}},\"region\":\(keyword)}}"
        + "}}"

    private static let keyword = "{\"type\":\"keyword\",\"ignore_above\":8191}"
}

/// What an answer to one of the set-up's requests means.
package enum IndexSetupOutcome: Hashable, Sendable {
    /// The name may be written to.
    case ready
    /// The cluster will not have it; the name is written to all the same, and one line says so.
    case refused(IndexSetupRefusal)
    /// Passing: ask again before the next bulk.
    case retry
}

package enum IndexSetupRefusal: String, Hashable, Sendable {
    /// 401 or 403: no right to look at or make templates or indices.
    case forbidden
    /// A template of somebody else's with the same priority, or for data streams only.
    case otherTemplate = "other_template"
    /// Any other 4xx.
    case invalid
}
