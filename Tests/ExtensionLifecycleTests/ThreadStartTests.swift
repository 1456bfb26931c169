import Deflate
import Foundation
import HTTPTransport
import LambdaAPI
import LambdaSimulator
import TelemetryIntake
import TelemetryModel
import TelemetryPipeline
import TelemetrySpool
import Testing

@testable import ExtensionLifecycle

/// What still works when a thread or a port cannot be had.
@Suite struct ThreadStartTests {
    private let directory = NSTemporaryDirectory() + "permafrost-threads-" + UUID().uuidString

    init() {
        HTTPTransport.initializeProcess()
    }

    private func parts(_ configuration: Configuration) throws -> SharedParts {
        try SharedParts(
            configuration: configuration, lambda: LambdaEnvironment([:]), notices: NoticeWriter(level: .off))
    }

    /// What a process that is gone has left in the spool.
    private func leaveBacklog(_ configuration: Configuration, events: Int) throws {
        let spool = Spool(directory: directory, options: SpoolOptions(crc32: { CRC32.of($0) }))
        try #require(spool.open() == .fresh)
        let encoder = try BatchEncoder(
            configuration: IntakeConfiguration(indices: configuration.indices, ownLinePrefix: NoticeWriter.prefix))
        let body =
            "["
            + (0..<events).map {
                "{\"time\":\"2026-07-29T08:00:00.000Z\",\"type\":\"function\",\"record\":\"left \($0)\"}"
            }.joined(separator: ",") + "]"
        let ticket = try spool.beginAppend()
        try spool.append(
            Array(body.utf8).withUnsafeBytes {
                encoder.encode(
                    body: $0, number: ticket.number, state: ticket.state,
                    function: FunctionIdentity(name: "f", version: "1"), receivedMs: 0, recall: spool.recall)
            })
    }

    @Test func `without a port what a predecessor left is delivered all the same`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let search = try FakeOpenSearch()
        defer { search.stop() }
        let configuration = Configuration(environment: [
            "PERMAFROST_OPENSEARCH_URL": search.url, "PERMAFROST_SPOOL_DIR": directory,
        ])
        try leaveBacklog(configuration, events: 7)
        let parts = try parts(configuration)
        let listener = ListenerThread(parts: parts, configuration: configuration) {
            _, _ throws(HTTPError) in throw .bind(EADDRINUSE)
        }
        #expect(listener.start())
        #expect(listener.waitForPort() == nil)
        FlushThread(
            parts: parts, configuration: configuration, lambda: LambdaEnvironment([:]), environment: [:],
            listener: listener
        ).start()
        parts.gate.open()
        let deadline = ContinuousClock.now + .seconds(60)
        while search.documentCount < 7, ContinuousClock.now < deadline {
            parts.mailbox.waitForSignal(upTo: .milliseconds(20))
        }
        #expect(search.documentCount == 7)
        // The drain at SHUTDOWN ends too: held parts are asked of a loop that has no port.
        parts.mailbox.post {
            $0.shutdown = FlushMailbox.ShutdownOrder(deadline: .now() + .seconds(60), awaitsReport: false)
        }
        while !parts.mailbox.isDrained, ContinuousClock.now < deadline {
            parts.mailbox.waitForSignal(upTo: .milliseconds(20))
        }
        #expect(parts.mailbox.isDrained)
        #expect(parts.spool.books.ledger.total(.delivered) == 7)
    }

    @Test func `a flush thread that cannot be started leaves SHUTDOWN nothing to wait for`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let configuration = Configuration(environment: ["PERMAFROST_SPOOL_DIR": directory])
        let parts = try parts(configuration)
        let listener = ListenerThread(parts: parts, configuration: configuration)
        #expect(!parts.mailbox.isDrained)
        FlushThread(
            parts: parts, configuration: configuration, lambda: LambdaEnvironment([:]), environment: [:],
            listener: listener
        ).start { _, _ in false }
        #expect(parts.mailbox.isDrained)
    }
}

@Suite struct ShutdownWaitTests {
    private let begun = Moment(monotonic: .seconds(100), wallMs: 0)
    private var wait: ShutdownWait { ShutdownWait(deadline: begun + .milliseconds(1850), begun: begun) }

    @Test func `a drain is waited for up to the deadline`() {
        #expect(
            wait.left(isDrained: false, awaitsReport: false, at: begun + .milliseconds(850)) == .milliseconds(1000))
        #expect(wait.left(isDrained: false, awaitsReport: true, at: begun + .milliseconds(1850)) == nil)
    }

    @Test func `once it has ended, or nobody drains, only the last report is`() {
        #expect(wait.left(isDrained: true, awaitsReport: false, at: begun) == nil)
        #expect(wait.left(isDrained: true, awaitsReport: true, at: begun + .milliseconds(20)) == .milliseconds(40))
        #expect(wait.left(isDrained: true, awaitsReport: true, at: begun + .milliseconds(60)) == nil)
    }

    @Test func `the deadline comes before the report`() {
        let wait = ShutdownWait(deadline: begun + .milliseconds(10), begun: begun)
        #expect(wait.left(isDrained: true, awaitsReport: true, at: begun + .milliseconds(4)) == .milliseconds(6))
    }
}
