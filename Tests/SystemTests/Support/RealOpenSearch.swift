import Foundation
import LambdaSimulator
import Testing

/// A real OpenSearch node on a data directory of its own, or the server that `OPENSEARCH_URL` names.
final class RealOpenSearch {
    private(set) var url = ""
    private var data: String?
    private var pid: pid_t = 0
    /// Of `start` and the node.
    private var options: [String]
    /// What `start` said of the certificate's authority.
    private(set) var authority: String?

    /// - Parameter options: of `shared/opensearch/start`; a server that is named takes none, see ``init(ours:)``.
    init() throws {
        options = []
        if let given = RealServers.openSearchURL {
            url = given
        } else {
            data = try TemporaryDirectory.make("node")
            try start(port: 0)
        }
    }

    /// A node of our own, whatever `OPENSEARCH_URL` says: one whose settings a test may change.
    init(ours options: [String]) throws {
        self.options = options
        data = try TemporaryDirectory.make("node")
        try start(port: 0)
    }

    deinit {
        close()
    }

    /// Only a node of our own may be killed.
    var isOurs: Bool { data != nil }

    private func start(port: Int) throws {
        guard let data, let program = RealServers.openSearchStart else { return }
        let child = try Child(program, ["--port", String(port), "--data", data] + options)
        let status = child.wait()
        let output = child.output
        var fields: [Substring: Substring] = [:]
        for line in output.split(whereSeparator: \.isWhitespace) {
            let parts = line.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { fields[parts[0]] = parts[1] }
        }
        guard status == 0, let found = fields["url"], let process = fields["pid"].flatMap({ pid_t($0) }) else {
            throw SimulatorError.state("the node did not start: \(output)")
        }
        url = String(found)
        pid = process
        authority = fields["ca"].map(String.init)
    }

    /// As a host that lost its power does.
    func crash() {
        guard isOurs else { return }
        kill(pid, SIGKILL)
        eventually("the node is gone") { kill(pid, 0) != 0 }
    }

    /// On the same data and port, after a ``crash()``.
    func restart(_ options: [String]? = nil) throws {
        if let options { self.options = options }
        let port = url.split(separator: ":").last.flatMap { Int($0.prefix { $0.isNumber }) } ?? 0
        try start(port: port)
    }

    func close() {
        guard let data, let program = RealServers.openSearchStart else { return }
        _ = try? Child(String(program.dropLast("start".count)) + "stop", ["--data", data]).wait()
        TemporaryDirectory.remove(data)
        self.data = nil
    }

    // MARK: Requests

    /// A request that has to be answered with 200.
    func ask(
        _ method: String, _ path: String, _ body: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let answer = try PlainHTTP.send(
            method, url + path, headers: body == nil ? [:] : ["Content-Type": "application/json"],
            body: body.map { Array($0.utf8) })
        try #require(
            answer.status == 200, "\(method) \(path): \(String(decoding: answer.body, as: UTF8.self))",
            sourceLocation: sourceLocation)
    }

    /// Zero while the index is closed or missing.
    func count(_ indices: String) -> Int { (try? RemoteSearch(url: url).count(indices: indices)) ?? 0 }

    /// None while the index is closed or missing.
    func hits(_ indices: String) -> [RemoteSearch.Hit] { (try? RemoteSearch(url: url).hits(indices: indices)) ?? [] }
}
