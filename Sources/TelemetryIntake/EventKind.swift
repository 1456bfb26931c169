import TelemetryModel

/// What the intake does differently for.
enum EventKind: UInt8 {
    case function, extensionLogs
    case start, runtimeDone, report
    case initStart, initReport
    case restoreStart, restoreReport
    case logsDropped
    /// Any other `platform.` type, and what is no type at all.
    case unknown

    var stream: TelemetryStream {
        switch self {
        case .function: .function
        case .extensionLogs: .extensionLogs
        default: .platform
        }
    }

    /// `type` is the inside of the string.
    @inline(__always)
    init(type: UnsafeRawBufferPointer) {
        switch type.count {
        case 8 where type.equals("function"): self = .function
        case 9 where type.equals("extension"): self = .extensionLogs
        default: self = Self.platform(type)
        }
    }

    private static func platform(_ type: UnsafeRawBufferPointer) -> EventKind {
        switch type.count {
        case 14 where type.equals("platform.start"): .start
        case 15 where type.equals("platform.report"): .report
        case 18 where type.equals("platform.initStart"): .initStart
        case 19 where type.equals("platform.initReport"): .initReport
        case 20 where type.equals("platform.runtimeDone"): .runtimeDone
        case 20 where type.equals("platform.logsDropped"): .logsDropped
        case 21 where type.equals("platform.restoreStart"): .restoreStart
        case 22 where type.equals("platform.restoreReport"): .restoreReport
        default: .unknown
        }
    }
}
