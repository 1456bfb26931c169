import Foundation
import LambdaSimulator

do {
    exit(try SimulatorTool.run(Array(CommandLine.arguments.dropFirst())))
} catch {
    FileHandle.standardError.write(Data("lambda-simulator: \(error)\n".utf8))
    exit(2)
}
