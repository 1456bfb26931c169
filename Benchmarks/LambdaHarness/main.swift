import Foundation
import LambdaSimulator

var arguments = Array(CommandLine.arguments.dropFirst())
do {
    // The same executable is the back end of the measurements, so that its CPU time is another process's.
    if arguments.first == "sink" {
        try DiscardingSink.run(Array(arguments.dropFirst()))
    }
    let options = try HarnessOptions(arguments)
    if options.wantsHelp {
        print(HarnessOptions.help, terminator: "")
        exit(0)
    }
    LiveProcesses.endWithUs()
    exit(try Harness(options).run() ? 0 : 1)
} catch {
    FileHandle.standardError.write(Data("LambdaHarness: \(error)\n".utf8))
    exit(2)
}
