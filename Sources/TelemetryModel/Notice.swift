/// How loud a notice is. `off` silences everything but nothing is ever sent at that level.
package enum NoticeLevel: Int, Comparable, Sendable, CaseIterable {
    case debug, info, warning, error, off

    package static func < (left: NoticeLevel, right: NoticeLevel) -> Bool { left.rawValue < right.rawValue }

    package var name: String {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .warning: "warning"
        case .error: "error"
        case .off: "off"
        }
    }
}

/// Something an operator may need to know: one structured line. It carries counts, fixed words, names of variables and
/// status codes; never a payload, an answer's text, a URL or a secret.
package struct Notice: Sendable {
    package var level: NoticeLevel
    /// A fixed word that identifies the kind of notice: repetition is limited by it.
    package var event: String
    package var fields: [(name: String, value: String)]

    package init(_ level: NoticeLevel, _ event: String, _ fields: [(name: String, value: String)] = []) {
        self.level = level
        self.event = event
        self.fields = fields
    }
}

/// Where notices go. May be called from any thread; never blocks for long.
package typealias NoticeSink = @Sendable (Notice) -> Void
