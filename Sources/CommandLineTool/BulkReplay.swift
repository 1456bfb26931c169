import Glibc
import HTTPTransport
import TelemetryModel
import TelemetrySinks

/// Sends documents in bulk requests, one at a time, each document under its own id with `create`, and counts what became
/// of them. What is told to come again later is sent a few times; a back end that cannot be used ends it.
final class BulkReplay {
    private static let requestBytes = 1 << 20
    private static let requestDocuments = 1000
    private static let tries = 5

    private let client: HTTPClient
    private let request: BulkRequest
    private let pause: (Duration) -> Void
    private var collected: [SpooledDocument] = []
    private var collectedBytes = 0

    /// Stored now, or there already (409).
    private(set) var taken = 0
    /// Documents by why they were not taken: status and type.
    private(set) var refused: [String: Int] = [:]
    /// Documents that were not sent any more.
    private(set) var unsent = 0
    /// Why no more is sent.
    private(set) var stopped: String?

    init(
        client: HTTPClient, endpoint: Endpoint, authentication: HTTPAuthentication,
        pause: @escaping (Duration) -> Void = BulkReplay.sleep
    ) {
        self.client = client
        self.request = BulkRequest(endpoint: endpoint, authentication: authentication)
        self.pause = pause
    }

    func add(_ document: SpooledDocument) {
        let isFull =
            collected.count >= Self.requestDocuments || collectedBytes + document.lines.count > Self.requestBytes
        if isFull { finish() }
        collected.append(document)
        collectedBytes += document.lines.count
    }

    /// Sends what has been collected.
    func finish() {
        let documents = collected
        collected = []
        collectedBytes = 0
        send(documents[...])
    }

    // MARK: One request

    private func send(_ documents: ArraySlice<SpooledDocument>) {
        var documents = documents
        var attempt = 0
        while !documents.isEmpty {
            guard stopped == nil else {
                unsent += documents.count
                return
            }
            attempt += 1
            switch exchange(documents) {
            case .answered(let again):
                documents = again[...]
                guard !again.isEmpty else { return }
                guard attempt < Self.tries else { return refuse(again.count, "no final answer") }
                pause(Self.wait(attempt))
            case .halve(let cause, let after):
                guard documents.count > 1 else {
                    guard let after, attempt < Self.tries else { return refuse(1, cause) }
                    pause(max(after, Self.wait(attempt)))
                    continue
                }
                if let after { pause(after) }
                let middle = documents.startIndex + documents.count / 2
                send(documents[..<middle])
                send(documents[middle...])
                return
            case .later(let cause, let after):
                guard attempt < Self.tries else {
                    stopped = cause
                    continue
                }
                pause(max(after ?? .zero, Self.wait(attempt)))
            case .unusable(let cause):
                stopped = cause
            }
        }
    }

    private enum Exchange {
        /// Every item was read; these documents have to be sent again.
        case answered([SpooledDocument])
        /// `after` is set when a later try may do.
        case halve(String, after: Duration?)
        case later(String, after: Duration?)
        case unusable(String)
    }

    private func exchange(_ documents: ArraySlice<SpooledDocument>) -> Exchange {
        var request = request.plain(lines: documents.flatMap(\.lines))
        request.totalTimeout = .seconds(60)
        let response: HTTPResponse
        do throws(HTTPError) {
            response = try client.perform(request)
        } catch {
            return .later("the request failed, \(error)", after: nil)
        }
        let cause = "HTTP \(response.status)"
        switch RequestVerdict(response) {
        case .items:
            var parser = BulkResponseParser()
            parser.feed(response.body)
            guard parser.answer.items > 0 else { return .unusable("what answers is no OpenSearch") }
            return .answered(settle(documents, parser.answer))
        case .split(.tooLarge, _): return .halve(cause, after: nil)
        case .split(.pressure, let after): return .halve(cause, after: after ?? Self.wait(1))
        case .badRequest: return .halve(cause, after: nil)
        case .unauthorized: return .unusable("the credentials are refused (\(cause))")
        case .notFound: return .unusable("the URL leads to nothing that takes bulk requests (\(cause))")
        case .closedWithoutAnswer: return .later("closed without an answer", after: nil)
        case .retry(let after): return .later(cause, after: after)
        }
    }

    /// - Returns: what the answer did not settle.
    private func settle(_ documents: ArraySlice<SpooledDocument>, _ answer: BulkAnswer) -> [SpooledDocument] {
        let good = Set(answer.good)
        var failed: [[UInt8]: BulkAnswer.FailedItem] = [:]
        for item in answer.failed { failed[item.id] = item }
        var again: [SpooledDocument] = []
        for document in documents {
            if good.contains(DocumentIDHash.hash(of: document.id)) {
                taken += 1
            } else if let item = failed[document.id] {
                switch item.verdict {
                case .delivered: taken += 1
                case .retry: again.append(document)
                case .documentAtFault, .tooLarge, .idUnsupported, .pipelineFailure, .indexUnavailable:
                    refuse(1, "HTTP \(item.status) \(item.type)")
                }
            } else {
                again.append(document)
            }
        }
        return again
    }

    private func refuse(_ count: Int, _ cause: String) {
        refused[cause, default: 0] += count
    }

    // MARK: Waits

    /// 200 ms, doubled with every try.
    private static func wait(_ attempt: Int) -> Duration { .milliseconds(100 << min(attempt, 10)) }

    static func sleep(_ wait: Duration) {
        let parts = wait.components
        var left = timespec(tv_sec: Int(parts.seconds), tv_nsec: Int(parts.attoseconds / 1_000_000_000))
        var rest = timespec()
        while nanosleep(&left, &rest) != 0, errno == EINTR { left = rest }
    }
}
