/// Reads a PushGateway's list of groups as it arrives and tells which of them may be removed.
///
/// `GET /api/v1/metrics` is asked first: it lists group by group, each with its grouping key, so that what fits into
/// the bound is complete, and the groups behind it are only met later. A gateway without it (404, 405) is asked for
/// `GET /metrics`, where the key shows as the labels of `push_time_seconds`, which the gateway itself adds to each
/// group.
package struct StaleGroups: Sendable {
    package enum Form: Sendable {
        /// `/api/v1/metrics`
        case json
        /// `/metrics`
        case text
    }

    /// Bytes of an answer that are read.
    package static let maximumBytes = 8 << 20
    /// Groups removed after one look.
    package static let maximumGroups = 1000

    private var scan: Scan
    private var bytesLeft = Self.maximumBytes

    private enum Scan {
        case json(JSONStream, GroupListHandler)
        case text(GroupTextScan)
    }

    package init(rule: StaleGroupRule, form: Form) {
        switch form {
        case .json: scan = .json(JSONStream(captureLimit: 1024), GroupListHandler(rule: rule))
        case .text: scan = .text(GroupTextScan(rule: rule))
        }
    }

    /// False when nothing more is wanted: the transfer may be ended.
    package mutating func feed(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytesLeft > 0, stale.count < Self.maximumGroups else { return false }
        let piece = UnsafeRawBufferPointer(rebasing: bytes.prefix(bytesLeft))
        bytesLeft -= piece.count
        switch scan {
        case .json(var stream, var handler):
            _ = stream.feed(piece, to: &handler) { _ in false }
            scan = .json(stream, handler)
            if stream.state == .broken { return false }
        case .text(var text):
            // An empty one takes its place meanwhile, so that its buffers are not shared and copied.
            scan = .text(GroupTextScan(rule: text.rule))
            text.feed(piece)
            scan = .text(text)
        }
        return bytesLeft > 0 && stale.count < Self.maximumGroups
    }

    /// The groups to remove among those that were read whole.
    package var stale: [GroupingKey] {
        switch scan {
        case .json(_, let handler): handler.stale
        case .text(let text): text.stale
        }
    }
}

/// `{"status":"success","data":[{"labels":{…},"<family>":{"metrics":[{"labels":{…},"value":"…"}]}}]}`
struct GroupListHandler: JSONStreamHandler, Sendable {
    let rule: StaleGroupRule
    private(set) var stale: [GroupingKey] = []

    private enum GroupKey { case labels, environment, pushTime, other }

    private var isInData = false
    private var rootKeyIsData = false
    private var groupKey = GroupKey.other
    private var familyKeyIsMetrics = false
    private var isInMetrics = false
    private var seriesKey: [UInt8] = []
    private var labelName: [UInt8] = []
    private var groupLabels: [String: String] = [:]
    private var seriesLabels: [String: String] = [:]
    private var environments: [[String: String]] = []
    private var pushTime: Double?
    /// Something in the group did not fit our bounds, so it is left alone.
    private var isForeign = false

    init(rule: StaleGroupRule) {
        self.rule = rule
    }

    var wantsString: Bool { isInData && groupKey != .other }

    mutating func begin(isObject: Bool, depth: Int) {
        switch depth {
        case 2: isInData = rootKeyIsData && !isObject
        case 3 where isInData:
            groupKey = .other
            groupLabels = [:]
            environments = []
            pushTime = nil
            isForeign = !isObject
        case 4: familyKeyIsMetrics = false
        case 5: isInMetrics = isInData && familyKeyIsMetrics && !isObject
        case 6:
            seriesKey = []
            seriesLabels = [:]
        default: break
        }
    }

    mutating func end(depth: Int) {
        switch depth {
        case 2: isInData = false
        case 3 where isInData: finishGroup()
        case 5: isInMetrics = false
        case 6 where isInMetrics && groupKey == .environment: environments.append(seriesLabels)
        default: break
        }
    }

    mutating func key(_ name: [UInt8], depth: Int) {
        switch depth {
        case 1: rootKeyIsData = name.isText("data")
        case 3 where isInData: groupKey = Self.groupKey(name)
        case 4 where groupKey == .labels, 7: labelName = name
        case 4: familyKeyIsMetrics = name.isText("metrics")
        case 6: seriesKey = name
        default: break
        }
    }

    mutating func string(_ text: [UInt8], isWhole: Bool, depth: Int) {
        guard isWhole else {
            isForeign = true
            return
        }
        let value = String(decoding: text, as: UTF8.self)
        switch depth {
        case 4 where groupKey == .labels: groupLabels[String(decoding: labelName, as: UTF8.self)] = value
        case 6 where isInMetrics && groupKey == .pushTime && seriesKey.isText("value"):
            pushTime = Double(value)
        case 7 where isInMetrics && groupKey == .environment && seriesKey.isText("labels"):
            seriesLabels[String(decoding: labelName, as: UTF8.self)] = value
        default: break
        }
        if groupLabels.count > 64 || seriesLabels.count > 64 || environments.count > 16 { isForeign = true }
    }

    mutating func number(_ text: [UInt8], depth: Int) {
        if depth == 6, isInMetrics, groupKey == .pushTime, seriesKey.isText("value") {
            pushTime = Double(String(decoding: text, as: UTF8.self))
        }
    }

    mutating func other(depth: Int) {}

    private mutating func finishGroup() {
        guard !isForeign, let key = rule.key(groupLabels: groupLabels), let pushTime, rule.isOld(pushTime: pushTime),
            !environments.isEmpty, environments.allSatisfy({ rule.names(environmentLabels: $0) })
        else { return }
        stale.append(key)
    }

    private static func groupKey(_ name: [UInt8]) -> GroupKey {
        if name.isText("labels") { return .labels }
        if name.elementsEqual(MetricFamily.environment.utf8) { return .environment }
        if name.isText("push_time_seconds") { return .pushTime }
        return .other
    }
}
