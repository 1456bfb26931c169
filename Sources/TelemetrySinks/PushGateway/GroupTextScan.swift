/// Picks the environment series and `push_time_seconds` out of a PushGateway's own metrics page, line by line.
///
/// Families come in the order of their names, so a group's environment series is met before its push time.
struct GroupTextScan: Sendable {
    static let maximumLine = 16 << 10

    let rule: StaleGroupRule
    private(set) var stale: [GroupingKey] = []

    private var line: [UInt8] = []
    private var isTooLong = false
    /// Groups with an environment series of our function: those and no others may be removed.
    private var ours: Set<GroupingKey> = []

    init(rule: StaleGroupRule) {
        self.rule = rule
    }

    mutating func feed(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: 0x0a) {
            take(rest[..<end])
            if !isTooLong { finishLine() }
            line.removeAll(keepingCapacity: true)
            isTooLong = false
            rest = rest[(end + 1)...]
        }
        take(rest)
    }

    private mutating func take(_ bytes: Slice<UnsafeRawBufferPointer>) {
        guard !isTooLong, line.count + bytes.count <= Self.maximumLine else {
            isTooLong = true
            return
        }
        line.append(contentsOf: bytes)
    }

    private mutating func finishLine() {
        if let (labels, _) = Self.sample(line, of: MetricFamily.environment) {
            var group = labels
            for name in ["function_name", "function_version", "account_id", "region"] { group[name] = nil }
            // Further labels would be a longer grouping key.
            if rule.names(environmentLabels: labels), let key = rule.key(groupLabels: group) { ours.insert(key) }
        } else if let (labels, value) = Self.sample(line, of: "push_time_seconds"),
            let key = rule.key(groupLabels: labels), ours.contains(key), rule.isOld(pushTime: value)
        {
            stale.append(key)
        }
    }

    /// Labels and value of a line `family{name="value",…} number`; nil for any other line.
    static func sample(_ line: [UInt8], of family: String) -> ([String: String], Double)? {
        guard line.starts(with: family.utf8) else { return nil }
        var rest = line.dropFirst(family.utf8.count)
        guard rest.first == UInt8(ascii: "{") else { return nil }
        rest = rest.dropFirst()
        var labels: [String: String] = [:]
        while let byte = rest.first, byte != UInt8(ascii: "}") {
            guard let equals = rest.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            let name = String(decoding: rest[..<equals], as: UTF8.self)
            rest = rest[(equals + 1)...]
            guard rest.first == UInt8(ascii: "\"") else { return nil }
            rest = rest.dropFirst()
            var value: [UInt8] = []
            var isClosed = false
            while let byte = rest.popFirst() {
                if byte == UInt8(ascii: "\"") {
                    isClosed = true
                    break
                }
                guard byte == UInt8(ascii: "\\") else {
                    value.append(byte)
                    continue
                }
                guard let escaped = rest.popFirst() else { return nil }
                value.append(escaped == UInt8(ascii: "n") ? 0x0a : escaped)
            }
            guard isClosed else { return nil }
            labels[name] = String(decoding: value, as: UTF8.self)
            if rest.first == UInt8(ascii: ",") { rest = rest.dropFirst() }
        }
        guard rest.popFirst() == UInt8(ascii: "}"), rest.popFirst() == 0x20,
            let value = Double(String(decoding: rest, as: UTF8.self))
        else { return nil }
        return (labels, value)
    }
}
