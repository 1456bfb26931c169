/// What the simulator itself could not do. What a simulated service answers is never an error here.
package enum SimulatorError: Error, CustomStringConvertible, Sendable {
    case noExtensions(String)
    case spawn(path: String, errno: Int32)
    case system(call: String, errno: Int32)
    case server(String)
    /// Something the caller waited for did not happen in time; the text says what was waited for and what was seen.
    case timedOut(String)
    case state(String)
    case http(String)

    package var description: String {
        switch self {
        case .noExtensions(let path): "no executable file directly in \(path)"
        case .spawn(let path, let code): "cannot start \(path): errno \(code)"
        case .system(let call, let code): "\(call) failed: errno \(code)"
        case .server(let what), .timedOut(let what), .state(let what), .http(let what): what
        }
    }
}
