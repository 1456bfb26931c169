import Deflate
import Foundation
import HTTPTransport
import LambdaSimulator
import TelemetryModel
import TelemetrySinks
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

/// What SHUTDOWN does when a secret is named that cannot be had.
@Suite struct ShutdownCredentialsTests {
    private let time = FlushTime(moment: moment(0), thawed: .zero)

    private func spool(in directory: String) throws -> Spool {
        let spool = Spool(
            directory: directory, options: SpoolOptions(maximumBytes: 64 << 20, crc32: { CRC32.of($0) }))
        try #require(spool.open() == .fresh)
        let lines = Array("{\"create\":{\"_index\":\"i\",\"_id\":\"e-1-0\"}}\n{}\n".utf8)
        let deflated = try lines.withUnsafeBytes { try ChunkEncoder(level: 1).encode($0) }
        let ticket = try spool.beginAppend()
        var batch = EncodedBatch(state: ticket.state)
        batch.chunks = [
            Chunk(
                stored: deflated.stored, storedCRC: deflated.storedCRC, linesCRC: deflated.linesCRC,
                linesLength: lines.count, events: 1, priority: .line,
                idsDigest: DocumentIDHash.hash(of: "e-1-0".utf8), indices: ["i"])
        ]
        batch.observations = [Observation(family: "permafrost_invocation_duration_seconds", value: 1)]
        batch.ledger.add(1, .received)
        batch.ledger.add(1, .spooled)
        try spool.append(batch)
        return spool
    }

    @Test func `neither sink makes the customer pay for waiting`() throws {
        HTTPTransport.initializeProcess()
        let directory = FileManager.default.temporaryDirectory.path + "/permafrost-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let spool = try spool(in: directory)
        let endpoint = try Endpoint(parsing: "http://127.0.0.1:9")
        let gateway = try FakePushGateway(credentials: (user: "user", password: "password"))
        defer { gateway.stop() }
        let gatewayEndpoint = try Endpoint(parsing: gateway.url)
        let patterns = IndexPatterns(
            platform: IndexPattern(fixed: "p"), function: IndexPattern(fixed: "i"),
            extensionLogs: IndexPattern(fixed: "e"))
        let configuration = FlushConfiguration(
            openSearch: endpoint, pushGateway: gatewayEndpoint, indices: patterns, types: [.function],
            indexSetup: .none,
            requestBytes: 1 << 20, compressionLevel: 1, metricPushInterval: .zero, metricGroupTTL: .zero,
            secretARN: "arn:aws:secretsmanager:eu-west-1:1:secret:x")
        let loop = try TransferLoop()
        let credentials = CredentialStore(
            plan: CredentialStore.Plan(
                secretARN: configuration.secretARN, source: .none, region: nil, secretsManagerURL: nil),
            loop: loop, seed: 1, notice: { _ in })
        let logs = OpenSearchDelivery(
            endpoint: endpoint, configuration: configuration, spool: spool,
            policy: FlushPolicy(events: 1, bytes: 1, age: .zero), loop: loop, credentials: credentials, seed: 1,
            notice: { _ in })
        let metrics = MetricPush(
            endpoint: gatewayEndpoint, configuration: configuration, spool: spool,
            function: FunctionIdentityBox(FunctionIdentity(name: "f", version: "1")), loop: loop,
            credentials: credentials, seed: 1, notice: { _ in })
        /// Until the gateway has asked for a login.
        func push(_ time: FlushTime) {
            _ = metrics.step(time)
            for _ in 0..<200 where loop.active > 0 {
                for completion in loop.poll(timeout: .milliseconds(100)) { _ = metrics.handle(completion, time) }
            }
            _ = metrics.step(time)
        }
        // Before SHUTDOWN both wait for the back-off to end.
        _ = logs.step(time, shuttingDown: false)
        push(time)
        #expect(gateway.requests.map(\.status) == [401])
        #expect(!logs.isDrained && !metrics.isDrained)

        logs.beginShutdown(time, until: time.moment + .seconds(2))
        metrics.beginShutdown(time, until: time.moment + .seconds(2))
        for milliseconds: Int64 in [1, 400, 900] {
            let later = FlushTime(moment: moment(milliseconds), thawed: .milliseconds(milliseconds))
            _ = logs.step(later, shuttingDown: true)
            push(later)
        }
        #expect(logs.isDrained && metrics.isDrained)
        // What could not be sent is still there.
        #expect(spool.books.ledger.total(.spooled) == 1)
        #expect(try spool.claim(.shutdown, maximumBytes: 1 << 20, maximumChunks: 10, nowMs: .max).count == 1)
    }
}
