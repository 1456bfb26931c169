package import HTTPTransport

/// Why a call to the Extensions or Telemetry API failed.
package enum ExtensionsError: Error, Sendable, Equatable {
    /// 4xx. Repeating the same call does not help. `errorType` such as `Extension.InvalidExtensionState`, when given.
    case refused(status: Int, errorType: String?)
    /// Any other status: the service is at fault, the same call may succeed later.
    case unavailable(status: Int)
    case transport(HTTPError)
    /// A 2xx answer without what it must hold.
    case malformed(StaticString)

    // StaticString is not Equatable; every case has a description of its own.
    package static func == (left: ExtensionsError, right: ExtensionsError) -> Bool {
        left.description == right.description
    }

    /// For an answer that is not the wanted one.
    init(_ response: HTTPResponse) {
        if (400..<500).contains(response.status) {
            let errorType = FlatObject(response.body)?.strings["errorType"]
            self = .refused(status: response.status, errorType: errorType.map { Self.harmless($0) })
        } else {
            self = .unavailable(status: response.status)
        }
    }

    /// What may stand in a log line as key=value: a short word.
    private static func harmless(_ errorType: String) -> String {
        String(decoding: errorType.utf8.prefix(80).map { $0 > 0x20 && $0 < 0x7F ? $0 : 0x5F }, as: UTF8.self)
    }
}

extension ExtensionsError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .refused(let status, let errorType): "refused with \(status) \(errorType ?? "")"
        case .unavailable(let status): "unavailable with \(status)"
        case .transport(let error): error.description
        case .malformed(let what): "malformed answer: \(what)"
        }
    }
}
