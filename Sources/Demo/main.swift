import Foundation
import LambdaSimulator

do {
    let options = try DemoOptions(Array(CommandLine.arguments.dropFirst()))
    if options.wantsHelp {
        say(DemoOptions.help)
        exit(0)
    }
    let story = try Story(options)
    try story.run()
    exit(try story.conclude() ? 0 : 1)
} catch {
    FileHandle.standardError.write(Data("permafrost-demo: \(error)\n".utf8))
    exit(2)
}
