import CommandLineTool
import ExtensionLifecycle
import Glibc

let arguments = CommandLine.arguments
exit(arguments.count > 1 ? CommandLineTool.run(arguments) : ExtensionMain.run(arguments: arguments))
