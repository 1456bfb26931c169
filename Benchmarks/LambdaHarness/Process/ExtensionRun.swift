import Foundation
import LambdaSimulator

/// One run of the extension against a ``RuntimeStub``, its spool in `directory`.
final class ExtensionRun {
    let stub: RuntimeStub
    let child: ChildProcess
    private let errors: String

    /// `core`: pinned to it from the first instruction on.
    init(
        _ binary: String, in directory: ScratchDirectory, sink: String? = nil, variables: [String: String] = [:],
        core: Int? = nil
    ) throws {
        let stub = try RuntimeStub()
        let errors = directory.path + "/stderr"
        var all = [
            "AWS_LAMBDA_RUNTIME_API": stub.address, "AWS_LAMBDA_FUNCTION_NAME": "checkout-worker",
            "AWS_LAMBDA_FUNCTION_VERSION": "17", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_REGION": "eu-west-1",
            "PERMAFROST_SPOOL_DIR": directory.path + "/spool",
        ]
        all["PERMAFROST_OPENSEARCH_URL"] = sink
        all.merge(variables) { $1 }
        let variables = all
        func start() throws -> ChildProcess { try ChildProcess(binary, variables: variables, errors: errors) }
        child = try core.map { try CPUSet.pinned(to: $0, start) } ?? start()
        self.stub = stub
        self.errors = errors
    }

    /// Returns the port of the listener once `next` has been called.
    func ready() throws -> UInt16 {
        _ = try stub.waitForNext()
        guard let port = stub.port else { throw SimulatorError.state("the extension did not subscribe: \(said)") }
        return port
    }

    /// Its standard error.
    var said: String { (try? String(contentsOfFile: errors, encoding: .utf8)) ?? "" }

    /// SHUTDOWN; its end and its closing line.
    func shutDown() throws -> (end: ChildEnd, books: ClosingLine) {
        stub.shutDown()
        guard let end = child.wait(timeout: .seconds(5)) else {
            throw SimulatorError.timedOut("the extension did not exit within 5 s of SHUTDOWN")
        }
        let lines = said.split(separator: "\n").reversed()
        guard let books = lines.lazy.compactMap({ ClosingLine(String($0)) }).first else {
            throw SimulatorError.state("no closing line, but: \(said)")
        }
        return (end, books)
    }
}
