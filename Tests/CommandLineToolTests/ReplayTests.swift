import HTTPTransport
import LambdaSimulator
import Synchronization
import TelemetryModel
import TelemetrySinks
import TelemetrySpool
import Testing

@testable import CommandLineTool

@Suite struct ReplayTests {
    @Test func `rejects are sent under their own ids, and the backlog only when it is asked for`() throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        let disk = try SpoolOnDisk()
        try disk.append([("e-1-0", "{\"a\":1}")], rejects: [.refused("e-0-9", "{\"b\":1}")])
        let ran = Ran("replay", disk.path, "--url", server.url)
        #expect(ran.code == 0)
        #expect(ran.output == "taken     1  (stored now, or there already)\n")
        #expect(server.documents().map(\.id) == ["e-0-9"])
        #expect(server.document(index: "lambda-function", id: "e-0-9")?.source == Array("{\"b\":1}".utf8))
        // The second time the first one is there already.
        let again = Ran(["replay", "--backlog", disk.path], environment: ["PERMAFROST_OPENSEARCH_URL": server.url])
        #expect(again.code == 0)
        #expect(again.output == "taken     2  (stored now, or there already)\n")
        #expect(server.documents().map(\.id).sorted() == ["e-0-9", "e-1-0"])
        // The spool itself is as it was.
        #expect(disk.spool.books.ledger.total(.spooled) == 1)
    }

    @Test func `held parts are named, for they are not sent with the backlog`() throws {
        let back = try FakeOpenSearch()
        defer { back.stop() }
        let disk = try SpoolOnDisk()
        try disk.append([("e-1-0", #"{"a":1}"#)])
        let ticket = try disk.spool.beginAppend()
        var batch = EncodedBatch(state: ticket.state)
        batch.state.heldParts = [HeldPart(envelope: [1], value: [2], parts: 1, receivedMs: 0)]
        batch.ledger.add(1, .received)
        batch.ledger.add(1, .spooled)
        try disk.spool.append(batch)
        let backlog = Ran("replay", disk.path, "--backlog", "--url", back.url)
        #expect(backlog.code == 1)
        #expect(backlog.output.contains("taken     1 "))
        #expect(backlog.output.contains("held      1 "))
        let rejects = Ran("replay", disk.path, "--url", back.url)
        #expect(rejects.code == 0)
        #expect(!rejects.output.contains("held"))
    }

    @Test func `what is not taken is counted by cause and makes the exit code 1`() throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        server.faults.set([Fault(.item(status: 403, type: "cluster_block_exception", reason: "quotes 'it'"), count: 1)])
        let disk = try SpoolOnDisk()
        try disk.append(rejects: [.refused("e-0-1", "{}"), .refused("e-0-2", "{}"), .raw])
        let ran = Ran("replay", disk.path, "--url", server.url)
        #expect(ran.code == 1)
        #expect(
            ran.output == """
                taken     1  (stored now, or there already)
                refused   1  HTTP 403 cluster_block_exception
                raw       1  no documents: 'inspect --rejects --json' shows them

                """)
        #expect(!ran.errors.contains("quotes"))
    }

    @Test func `wrong credentials end it at once, and are not shown`() throws {
        var options = FakeOpenSearch.Options()
        options.credentials = (user: "user", password: "right")
        let server = try FakeOpenSearch(options: options)
        defer { server.stop() }
        let disk = try SpoolOnDisk()
        try disk.append(rejects: [.refused("e-0-1", "{}"), .refused("e-0-2", "{}")])
        let host = server.url.dropFirst("http://".count)
        let wrong = Ran("replay", disk.path, "--url", "http://user:hunter2@\(host)")
        #expect(wrong.code == 1)
        #expect(wrong.output == "taken     0  (stored now, or there already)\nnot sent  2\n")
        #expect(wrong.errors.contains("Gave up: the credentials are refused (HTTP 401).\n"))
        #expect(!(wrong.output + wrong.errors).contains("hunter2"))
        #expect(server.requestCount == 1)
        #expect(Ran("replay", disk.path, "--url", "http://user:right@\(host)").code == 0)
    }
}

/// The sender by itself, with its waits kept instead of waited.
@Suite struct BulkReplayTests {
    private final class Waits: Sendable {
        let all = Mutex<[Duration]>([])
    }

    private func run(
        _ server: FakeOpenSearch, documents: Int, bytes: Int = 10
    ) throws -> (replay: BulkReplay, waits: [Duration]) {
        HTTPTransport.initializeProcess()
        let waits = Waits()
        let replay = BulkReplay(
            client: try HTTPClient(), endpoint: try Endpoint(parsing: server.url), authentication: .none,
            pause: { wait in waits.all.withLock { $0.append(wait) } })
        for number in 0..<documents {
            let text = String(repeating: "x", count: bytes)
            let lines = SpoolOnDisk.lines("e-1-\(number)", "{\"a\":\"\(text)\"}")
            replay.add(SpooledDocument(id: Array("e-1-\(number)".utf8), lines: Array(lines.utf8)))
        }
        replay.finish()
        return (replay, waits.all.withLock { $0 })
    }

    @Test func `a request holds a thousand documents or a MiB`() throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        #expect(try run(server, documents: 1001).replay.taken == 1001)
        #expect(server.requestCount == 2)
        #expect(try run(server, documents: 3, bytes: 600_000).replay.taken == 3)
        #expect(server.requestCount == 5)
    }

    @Test func `an outage that passes is waited out`() throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        server.faults.set([Fault(.status(503, headers: ["Retry-After": "3"]), count: 2)])
        let (replay, waits) = try run(server, documents: 2)
        #expect(replay.taken == 2)
        #expect(waits == [.seconds(3), .seconds(3)])
    }

    @Test func `an outage that does not pass ends it after five tries`() throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        server.faults.set([Fault(.closeWithoutAnswer)])
        let (replay, waits) = try run(server, documents: 2)
        #expect(replay.taken == 0)
        #expect(replay.unsent == 2)
        #expect(replay.stopped == "the request failed, closed without an answer")
        #expect(waits.count == 4)
    }

    @Test func `a request that is too large is halved down to the document at fault`() throws {
        var options = FakeOpenSearch.Options()
        options.maximumContentLength = 2000
        let server = try FakeOpenSearch(options: options)
        defer { server.stop() }
        let replay = try run(server, documents: 8, bytes: 900).replay
        #expect(replay.taken == 8)
        let large = try run(server, documents: 1, bytes: 3000).replay
        #expect(large.refused == ["HTTP 413": 1])
    }

    @Test func `documents the answer does not speak of are sent again`() throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        server.faults.set([Fault(.fewerItems(2), count: 1)])
        #expect(try run(server, documents: 5).replay.taken == 5)
        #expect(server.documentCount == 5)
        #expect(server.requestCount == 2)
    }
}
