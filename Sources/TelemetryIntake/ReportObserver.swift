import JSON
import TelemetryModel

/// Makes observations of what the platform measured, in base units.
struct ReportObserver {
    /// Families that values of a report may open, all told: names come from outside.
    private static let familyBound = 64
    private static let longestName = 64
    private static let statuses: Set<String> = ["success", "error", "failure", "timeout"]

    private let carriesRequestID: Bool
    /// What ``family(of:)`` said of names seen before, by prefix and name as written.
    private var known: [(prefix: Prefix, name: [UInt8], family: String, factor: Double)] = []
    private var families: Set<String> = [
        "permafrost_invocation_duration_seconds", "permafrost_invocation_billed_duration_seconds",
        "permafrost_invocation_memory_size_bytes", "permafrost_invocation_max_memory_used_bytes",
        "permafrost_invocation_init_duration_seconds", "permafrost_invocation_restore_duration_seconds",
        "permafrost_init_duration_seconds", "permafrost_restore_duration_seconds",
    ]

    /// What one body adds; equal counters are summed up.
    struct Result {
        var observations: [Observation] = []
        private(set) var counts: [CounterIncrement] = []

        mutating func count(_ family: String, _ label: String, _ amount: Int = 1) {
            guard amount > 0 else { return }
            // Few at a time: types, statuses and families are bounded.
            for index in counts.indices where counts[index].labelValue == label && counts[index].family == family {
                let (sum, overflow) = counts[index].count.addingReportingOverflow(amount)
                counts[index].count = overflow ? .max : sum
                return
            }
            counts.append(CounterIncrement(family: family, labelValue: label, count: amount))
        }
    }

    init(carriesRequestID: Bool) {
        self.carriesRequestID = carriesRequestID
    }

    /// `record` is the record of a whole event, as it stands.
    mutating func observe(_ kind: EventKind, record: UnsafeRawBufferPointer, into result: inout Result) {
        let prefix: Prefix
        switch kind {
        case .report: prefix = .invocation
        case .initReport: prefix = .initialisation
        case .restoreReport: prefix = .restore
        case .logsDropped:
            let dropped = Self.fields(of: record).droppedRecords
            result.count(CounterIncrement.platformDropped, "", min(max(0, dropped ?? 0), 1 << 40))
            return
        default: return
        }
        let fields = Self.fields(of: record)
        if kind == .report {
            let status = fields.status.map { Self.statuses.contains($0) ? $0 : "other" } ?? "unknown"
            result.count(CounterIncrement.invocations, status)
        }
        let requestID = carriesRequestID ? fields.requestID : nil
        for metric in fields.metrics {
            let (family, factor) = family(prefix, metric.name)
            let value = metric.value * factor
            guard let family, value.isFinite, value >= 0 else {
                result.count(CounterIncrement.unobserved, family ?? "other")
                continue
            }
            result.observations.append(Observation(family: family, value: value, requestID: requestID))
        }
    }

    private enum Prefix: String {
        case invocation = "permafrost_invocation_"
        case initialisation = "permafrost_init_"
        case restore = "permafrost_restore_"
    }

    /// Nil for one family too many.
    private mutating func family(
        _ prefix: Prefix, _ name: UnsafeRawBufferPointer
    ) -> (family: String?, factor: Double) {
        for entry in known where entry.prefix == prefix && name.begins(with: entry.name) {
            if entry.name.count == name.count { return (entry.family, entry.factor) }
        }
        let (suffix, factor) = Self.family(of: JSONReader.decode(name))
        let family = prefix.rawValue + suffix
        guard admit(family) else { return (nil, factor) }
        if known.count < Self.familyBound { known.append((prefix, Array(name), family, factor)) }
        return (family, factor)
    }

    private mutating func admit(_ family: String) -> Bool {
        if families.contains(family) { return true }
        guard families.count < Self.familyBound, family.utf8.count <= Self.longestName + 32 else { return false }
        families.insert(family)
        return true
    }

    private struct Fields {
        var requestID: String?
        var status: String?
        var droppedRecords: Int?
        /// Names as written; not a number for numbers written as text.
        var metrics: [(name: UnsafeRawBufferPointer, value: Double)] = []
    }

    private static func fields(of record: UnsafeRawBufferPointer) -> Fields {
        var fields = Fields()
        var reader = JSONReader(record, maximumDepth: JSONScanner.maximumDepth)
        do throws(JSONError) {
            guard try reader.peek() == .object else { return fields }
            try reader.beginObject()
            while let key = try reader.nextRawKey() {
                if key.equals("requestId") {
                    fields.requestID = try reader.optionalString()
                } else if key.equals("status") {
                    fields.status = try reader.optionalString()
                } else if key.equals("droppedRecords"), try reader.peek() == .number {
                    fields.droppedRecords = try reader.integer()
                } else if key.equals("metrics"), try reader.peek() == .object {
                    try readMetrics(&reader, into: &fields)
                } else {
                    try reader.skip()
                }
            }
        } catch {
            // What was read up to here still counts: the document carries the whole record in any case.
            return fields
        }
        return fields
    }

    /// A report has seven, and no more than 64 families are kept.
    private static let maximumMetrics = 512

    private static func readMetrics(_ reader: inout JSONReader, into fields: inout Fields) throws(JSONError) {
        fields.metrics.reserveCapacity(8)
        try reader.beginObject()
        while let name = try reader.nextRawKey() {
            guard fields.metrics.count < maximumMetrics else {
                try reader.skip()
                continue
            }
            switch try reader.peek() {
            case .number: fields.metrics.append((name, try reader.number()))
            case .string:
                if Double(try reader.string()) != nil { fields.metrics.append((name, .nan)) }
            default: try reader.skip()
            }
        }
    }

    /// The family's name without prefix and what turns the value into its base unit, by the name's last letters:
    /// `maxMemoryUsedMB` is `max_memory_used_bytes`, times 1,048,576.
    static func family(of name: String) -> (name: String, factor: Double) {
        let units: [(suffix: String, unit: String, factor: Double)] = [
            ("Ms", "_seconds", 0.001), ("MB", "_bytes", 1_048_576), ("Bytes", "_bytes", 1),
        ]
        for unit in units where name.hasSuffix(unit.suffix) && name.utf8.count > unit.suffix.utf8.count {
            return (snakeCase(String(name.dropLast(unit.suffix.count))) + unit.unit, unit.factor)
        }
        return (snakeCase(name), 1)
    }

    /// `[a-z0-9_]` only; a new word begins at a capital behind a small letter or digit, and at the last of several.
    private static func snakeCase(_ name: String) -> String {
        var result: [UInt8] = []
        let bytes = Array(name.utf8.prefix(longestName))
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): result.append(byte)
            case UInt8(ascii: "A")...UInt8(ascii: "Z"):
                let isAfterSmall = index > 0 && !(0x41...0x5a).contains(bytes[index - 1])
                let isBeforeSmall = index + 1 < bytes.count && (0x61...0x7a).contains(bytes[index + 1])
                if index > 0, isAfterSmall || isBeforeSmall, result.last != UInt8(ascii: "_") {
                    result.append(UInt8(ascii: "_"))
                }
                result.append(byte | 0x20)
            default: if result.last != UInt8(ascii: "_") { result.append(UInt8(ascii: "_")) }
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
