import ExtensionLifecycle
import HTTPTransport
import TelemetryPipeline
import TelemetrySinks

/// `permafrost check`: says what is wrong with the configuration of the environment it runs in.
struct CheckCommand {
    private let connects: Bool
    private let environment: [String: String]

    init(_ words: ArraySlice<String>, environment: [String: String]) throws(UsageError) {
        let options = try Options(words, flags: ["--connect"])
        guard options.positional.isEmpty else { throw UsageError("'check' takes no further words.") }
        connects = options.has("--connect")
        self.environment = environment
    }

    func run(on console: Console) -> Int32 {
        let configuration = Configuration(environment: environment)
        var problems = configuration.problems.map { "\($0.variable) \($0.sentence)" }
        if configuration.hasNoSink {
            problems.append(
                "\(EnvironmentKey.openSearchURL.rawValue) and \(EnvironmentKey.pushGatewayURL.rawValue) are not set: set "
                    + "one; until then events stay in the spool within its bound")
        }
        if !configuration.aliasesTaken.isEmpty {
            console.write("taken from the AWS samples' names: \(configuration.aliasesTaken.joined(separator: ", "))\n")
        }
        if connects {
            HTTPTransport.initializeProcess()
            for (key, endpoint) in [
                (EnvironmentKey.openSearchURL, configuration.openSearch),
                (.pushGatewayURL, configuration.pushGateway),
            ] {
                guard let endpoint else { continue }
                let name = configuration.name(of: key)
                switch probe(key, endpoint, configuration) {
                case .answers(let what): console.write("ok: \(name) leads to \(what)\n")
                case .fault(let sentence): problems.append("\(name) \(sentence)")
                }
            }
        }
        for problem in problems { console.write("problem: \(problem)\n") }
        if problems.isEmpty { console.write("ok: nothing is wrong with the configuration\n") }
        return problems.isEmpty ? CommandLineTool.ExitCode.success : CommandLineTool.ExitCode.failure
    }

    private func probe(_ key: EnvironmentKey, _ endpoint: Endpoint, _ configuration: Configuration)
        -> BackEndProbe.Result
    {
        guard let client = try? HTTPClient() else { return .fault("cannot be asked: libcurl does not start") }
        if key == .pushGatewayURL, endpoint.user == nil {
            let open = BackEndProbe(client: client, endpoint: endpoint, authentication: .none)
            if configuration.authSecretARN == nil || !open.asksForLogin { return open.pushGateway() }
        }
        let authentication: HTTPAuthentication
        do throws(CredentialLookup.Failure) {
            authentication = try CredentialLookup.authentication(
                for: endpoint, secretARN: configuration.authSecretARN, region: LambdaEnvironment(environment).region,
                environment: environment)
        } catch {
            let name = configuration.name(of: .authSecret)
            return .fault("cannot be asked: \(name) gives no credentials (\(error.cause))")
        }
        let probe = BackEndProbe(client: client, endpoint: endpoint, authentication: authentication)
        return key == .pushGatewayURL ? probe.pushGateway() : probe.openSearch()
    }
}

extension Configuration {
    /// The variable that gave the value, for messages.
    fileprivate func name(of key: EnvironmentKey) -> String {
        key.alias.flatMap { aliasesTaken.contains($0) ? $0 : nil } ?? key.rawValue
    }
}
