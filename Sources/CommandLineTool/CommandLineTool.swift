import Glibc

/// The command line tool: what the executable does when it has arguments.
package enum CommandLineTool {
    /// - Returns: the exit code: 0, 1 when something failed, 2 for a command that does not exist.
    package static func run(_ arguments: [String]) -> Int32 {
        switch arguments.dropFirst().first {
        case "help", "--help", "-h": return Help.print()
        default: return Help.unknown()
        }
    }
}
