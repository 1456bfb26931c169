package import TelemetryModel

/// Which groups at a PushGateway an environment may remove: those of gone environments of its own function.
///
/// A group qualifies when its grouping key is exactly `job` (our function's name) and `instance` (not ours), when its
/// own ``MetricFamily/environment`` series names our function, account and region (the same function name in another
/// account or region pushes to the same job), and when its last good push is older than the limit. A group that was
/// never pushed well has no time of a push and is left alone.
package struct StaleGroupRule: Equatable, Sendable {
    let own: GroupingKey
    let functionName: String
    let accountID: String
    let region: String
    /// Seconds since 1970: pushes before it are old.
    let cutoff: Double

    /// Nil when account or region are not known, or `maximumAge` is zero: then nothing is removed.
    package init?(own: GroupingKey, function: FunctionIdentity, maximumAge: Duration, nowMs: Int64) {
        guard let accountID = function.accountID, let region = function.region, !accountID.isEmpty, !region.isEmpty,
            maximumAge > .zero
        else { return nil }
        self.own = own
        self.functionName = function.name
        self.accountID = accountID
        self.region = region
        self.cutoff = Double(nowMs) / 1000 - Double(maximumAge.components.seconds)
    }

    /// The key of a group with these labels when it could be one of ours by them, else nil.
    func key(groupLabels labels: [String: String]) -> GroupingKey? {
        guard labels.count == 2, let job = labels["job"], let instance = labels["instance"], job == own.job,
            !instance.isEmpty, instance != own.instance
        else { return nil }
        return GroupingKey(job: job, instance: instance)
    }

    /// Whether an environment series with these labels is one of our function's.
    func names(environmentLabels labels: [String: String]) -> Bool {
        labels["function_name"] == functionName && labels["account_id"] == accountID && labels["region"] == region
    }

    func isOld(pushTime: Double) -> Bool {
        pushTime.isFinite && pushTime > 0 && pushTime < cutoff
    }
}
