/// What Lambda itself puts into an extension's environment.
/// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
package struct LambdaEnvironment: Sendable {
    /// `host:port` of the Runtime API, nil outside Lambda.
    package var runtimeAPI: String?
    package var functionName: String
    package var functionVersion: String
    package var region: String?
    package var initializationType: InitializationType

    package enum InitializationType: Sendable, Equatable {
        case onDemand, provisionedConcurrency, snapStart, managedInstances
        case other
    }

    package init(_ environment: [String: String]) {
        func value(_ name: String) -> String? {
            guard let text = environment[name], !text.isEmpty else { return nil }
            return text
        }
        runtimeAPI = value("AWS_LAMBDA_RUNTIME_API")
        functionName = value("AWS_LAMBDA_FUNCTION_NAME") ?? "unknown"
        functionVersion = value("AWS_LAMBDA_FUNCTION_VERSION") ?? "$LATEST"
        region = value("AWS_REGION") ?? value("AWS_DEFAULT_REGION")
        initializationType =
            switch value("AWS_LAMBDA_INITIALIZATION_TYPE") {
            case "on-demand": .onDemand
            case "provisioned-concurrency": .provisionedConcurrency
            case "snap-start": .snapStart
            case "lambda-managed-instances": .managedInstances
            default: .other
            }
    }
}
