import ExtensionLifecycle

/// The command line tool: what the executable does when it has arguments.
package enum CommandLineTool {
    /// The release, as `permafrost version` prints it.
    package static let version = "0.1.0"

    /// How a command ended, as the process's exit code says it.
    package enum ExitCode {
        package static let success: Int32 = 0
        /// The command ran, and something is wrong: unreadable, not taken, misconfigured.
        package static let failure: Int32 = 1
        /// The command line cannot be understood.
        package static let usage: Int32 = 2
    }

    /// - Parameter arguments: with the executable's name in front.
    /// - Returns: an ``ExitCode``.
    package static func run(_ arguments: [String]) -> Int32 {
        run(arguments, environment: ProcessEnvironment.variables(), console: .standard)
    }

    package static func run(_ arguments: [String], environment: [String: String], console: Console) -> Int32 {
        guard let command = arguments.dropFirst().first else { return Help.write(to: console) }
        let rest = arguments.dropFirst(2)
        do throws(UsageError) {
            switch command {
            case "help", "--help", "-h": return Help.write(to: console)
            case "version", "--version": return writeVersion(to: console)
            case "inspect": return try InspectCommand(rest).run(on: console)
            case "replay": return try ReplayCommand(rest, environment: environment).run(on: console)
            case "check": return try CheckCommand(rest, environment: environment).run(on: console)
            default: throw UsageError("There is no command '\(command)'.")
            }
        } catch {
            console.complain("\(error.sentence) 'permafrost help' lists the commands.")
            return ExitCode.usage
        }
    }

    private static func writeVersion(to console: Console) -> Int32 {
        console.write("permafrost \(version)\n")
        return ExitCode.success
    }
}

/// A command line that cannot be understood.
struct UsageError: Error {
    /// Whole, for the person at the keyboard.
    let sentence: String

    init(_ sentence: String) {
        self.sentence = sentence
    }
}
