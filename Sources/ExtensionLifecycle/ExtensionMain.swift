import Glibc
import HTTPTransport

/// The extension's entry: synchronous, because an `async` main costs a static executable 15 to 70 ms at start.
package enum ExtensionMain {
    /// - Returns: an exit code when the process cannot be an extension: outside Lambda, or register refused.
    package static func run(arguments: [String]) -> Int32 {
        let environment = ProcessEnvironment.variables()
        let lambda = LambdaEnvironment(environment)
        let configuration = Configuration(environment: environment)
        let notices = NoticeWriter(level: configuration.logLevel)
        guard let runtimeAPI = lambda.runtimeAPI else {
            NoticeWriter.standardError(
                "permafrost level=error event=not_in_lambda message=\"AWS_LAMBDA_RUNTIME_API is not set: without arguments "
                    + "permafrost is a Lambda extension; 'permafrost help' lists the commands\"")
            return 2
        }
        HTTPTransport.initializeProcess()
        do {
            let runtime = try ExtensionRuntime(
                name: ProcessEnvironment.executableName(arguments: arguments), runtimeAPI: runtimeAPI, lambda: lambda,
                configuration: configuration, environment: environment, notices: notices)
            return runtime.run()
        } catch {
            NoticeWriter.standardError("permafrost level=error event=start_failed cause=\"\(error)\"")
            return 1
        }
    }
}
