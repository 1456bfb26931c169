import JSON
import TelemetryModel

/// Makes observations of what the platform measured, in base units.
struct ReportObserver {
    /// Families that values of a report may open, all told: names come from outside.
    private static let familyBound = 64
    private static let longestName = 64
    private static let statuses: Set<String> = ["success", "error", "failure", "timeout"]

    private let carriesRequestID: Bool
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
        private var places: [String: Int] = [:]

        mutating func count(_ family: String, _ label: String, _ amount: Int = 1) {
            guard amount > 0 else { return }
            let key = family + " " + label
            if let place = places[key] {
                counts[place].count = counts[place].count.addingReportingOverflow(amount).partialValue
            } else {
                places[key] = counts.count
                counts.append(CounterIncrement(family: family, labelValue: label, count: amount))
            }
        }
    }

    init(carriesRequestID: Bool) {
        self.carriesRequestID = carriesRequestID
    }

    /// `record` is the record of a whole event, as it stands.
    mutating func observe(_ kind: EventKind, record: UnsafeRawBufferPointer, into result: inout Result) {
        let prefix: String
        switch kind {
        case .report: prefix = "permafrost_invocation_"
        case .initReport: prefix = "permafrost_init_"
        case .restoreReport: prefix = "permafrost_restore_"
        case .logsDropped:
            let dropped = Self.fields(of: record).droppedRecords
            result.count(CounterIncrement.platformDropped, "", max(0, dropped ?? 0))
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
            let (name, factor) = Self.family(of: metric.name)
            let family = prefix + name
            let value = metric.value * factor
            guard value.isFinite, value >= 0, admit(family) else {
                result.count(CounterIncrement.unobserved, families.contains(family) ? family : "other")
                continue
            }
            result.observations.append(Observation(family: family, value: value, requestID: requestID))
        }
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
        /// Not a number for numbers written as text.
        var metrics: [(name: String, value: Double)] = []
    }

    private static func fields(of record: UnsafeRawBufferPointer) -> Fields {
        var fields = Fields()
        var reader = JSONReader(record, maximumDepth: JSONScanner.maximumDepth)
        do throws(JSONError) {
            guard try reader.peek() == .object else { return fields }
            try reader.beginObject()
            while let key = try reader.nextKey() {
                switch key {
                case "requestId": fields.requestID = try reader.optionalString()
                case "status": fields.status = try reader.optionalString()
                case "droppedRecords":
                    if try reader.peek() == .number {
                        fields.droppedRecords = try reader.integer()
                    } else {
                        try reader.skip()
                    }
                case "metrics": fields.metrics = try metrics(&reader)
                default: try reader.skip()
                }
            }
        } catch {
            // What was read up to here still counts: the document carries the whole record in any case.
            return fields
        }
        return fields
    }

    private static func metrics(_ reader: inout JSONReader) throws(JSONError) -> [(name: String, value: Double)] {
        guard try reader.peek() == .object else {
            try reader.skip()
            return []
        }
        var metrics: [(name: String, value: Double)] = []
        try reader.beginObject()
        while let name = try reader.nextKey() {
            switch try reader.peek() {
            case .number: metrics.append((name, try reader.number()))
            case .string:
                if Double(try reader.string()) != nil { metrics.append((name, .nan)) }
            default: try reader.skip()
            }
        }
        return metrics
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
