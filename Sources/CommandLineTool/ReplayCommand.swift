import ExtensionLifecycle
import HTTPTransport
import TelemetryPipeline
import TelemetrySinks
import TelemetrySpool

/// `permafrost replay`: sends the documents of a copied spool to OpenSearch.
struct ReplayCommand {
    private let path: String
    private let sendsBacklog: Bool
    private let endpoint: Endpoint
    private let configuration: Configuration
    private let environment: [String: String]

    init(_ words: ArraySlice<String>, environment: [String: String]) throws(UsageError) {
        let options = try Options(words, flags: ["--backlog"], valued: ["--url"])
        path = try options.only("the spool's directory or file")
        sendsBacklog = options.has("--backlog")
        self.environment = environment
        configuration = Configuration(environment: environment)
        if let text = options.value("--url") {
            do throws(EndpointError) {
                endpoint = try Endpoint(parsing: text)
            } catch {
                throw UsageError("The value of --url cannot be used: \(error).")
            }
        } else if let configured = configuration.openSearch {
            endpoint = configured
        } else {
            let variable = EnvironmentKey.openSearchURL.rawValue
            throw UsageError(
                configuration.openSearchUnreadable
                    ? "The value of \(variable) cannot be used: 'permafrost check' says why."
                    : "Give the URL with --url or in \(variable).")
        }
    }

    func run(on console: Console) -> Int32 {
        HTTPTransport.initializeProcess()
        guard let reader = SpoolCopy.open(path, on: console) else { return CommandLineTool.ExitCode.failure }
        let authentication: HTTPAuthentication
        do throws(CredentialLookup.Failure) {
            authentication = try CredentialLookup.authentication(
                for: endpoint, secretARN: configuration.authSecretARN,
                region: LambdaEnvironment(environment).region, environment: environment)
        } catch {
            console.complain("\(EnvironmentKey.authSecret.rawValue) gives no credentials (\(error.cause)).")
            return CommandLineTool.ExitCode.failure
        }
        guard let client = try? HTTPClient() else {
            console.complain("libcurl does not start.")
            return CommandLineTool.ExitCode.failure
        }
        let replay = BulkReplay(client: client, endpoint: endpoint, authentication: authentication)
        do throws(SpoolError) {
            var documents = SpooledDocuments()
            try documents.rejects(reader) { replay.add($0) }
            if sendsBacklog { try documents.backlog(reader) { replay.add($0) } }
            replay.finish()
            let held = sendsBacklog ? try reader.summary().heldParts : 0
            return report(replay, documents, held: held, on: console)
        } catch {
            console.complain(SpoolCopy.sentence(error, path))
            return CommandLineTool.ExitCode.failure
        }
    }

    /// - Parameter held: parts of cut records that wait for their other half, and are no documents yet.
    private func report(
        _ replay: BulkReplay, _ documents: SpooledDocuments, held: Int, on console: Console
    ) -> Int32 {
        console.write("taken     \(replay.taken)  (stored now, or there already)\n")
        for (cause, count) in replay.refused.sorted(by: { $0.key < $1.key }) {
            console.write("refused   \(count)  \(SpoolContents.printable(cause))\n")
        }
        if replay.unsent > 0 { console.write("not sent  \(replay.unsent)\n") }
        if documents.rawRejects > 0 {
            console.write("raw       \(documents.rawRejects)  no documents: 'inspect --rejects --json' shows them\n")
        }
        if documents.damagedChunks > 0 { console.write("damaged   \(documents.damagedChunks) chunks\n") }
        if held > 0 {
            console.write("held      \(held)  parts of cut records, which the extension itself delivers\n")
        }
        if let stopped = replay.stopped { console.complain("Gave up: \(stopped).") }
        let isWhole =
            replay.refused.isEmpty && replay.unsent == 0 && documents.rawRejects == 0 && documents.damagedChunks == 0
            && held == 0
        return isWhole ? CommandLineTool.ExitCode.success : CommandLineTool.ExitCode.failure
    }
}
