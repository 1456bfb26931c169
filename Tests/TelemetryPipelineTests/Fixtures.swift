import Deflate
import Foundation
import TelemetryIntake
import TelemetryModel
import TelemetrySpool

@testable import TelemetryPipeline

/// A real spool in a directory that removes itself.
final class SpoolFixture {
    let directory: String
    let spool: Spool

    init() throws {
        directory = NSTemporaryDirectory() + "permafrost-pipeline-" + UUID().uuidString
        spool = Spool(directory: directory, options: SpoolOptions(crc32: { CRC32.of($0) }))
        guard case .fresh = spool.open() else { throw FixtureError.spool }
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    enum FixtureError: Error { case spool }

    /// Appends a body as the listener would.
    @discardableResult
    func append(_ body: String, storesEvents: Bool = true) throws -> EncodedBatch {
        let encoder = try BatchEncoder(configuration: Self.intake(storesEvents: storesEvents))
        let ticket = try spool.beginAppend()
        let bytes = Array(body.utf8)
        let batch = bytes.withUnsafeBytes { buffer in
            encoder.encode(
                body: buffer, number: ticket.number, state: ticket.state,
                function: FunctionIdentity(name: "checkout", version: "7"), receivedMs: 1_000, recall: spool.recall)
        }
        try spool.append(batch)
        return batch
    }

    /// Appends chunks as they are.
    func append(_ chunks: [Chunk]) throws {
        let ticket = try spool.beginAppend()
        var batch = EncodedBatch(state: ticket.state)
        batch.chunks = chunks
        let events = chunks.reduce(0) { $0 + $1.events }
        batch.ledger.add(events, .received)
        batch.ledger.add(events, .spooled)
        try spool.append(batch)
    }

    static func intake(storesEvents: Bool = true) -> IntakeConfiguration {
        IntakeConfiguration(
            indices: IndexPatterns(
                platform: IndexPattern(fixed: "lambda-platform"), function: IndexPattern(fixed: "lambda-function"),
                extensionLogs: IndexPattern(fixed: "lambda-extension")),
            requestBytes: 1 << 20, compressionLevel: 1, storesEvents: storesEvents, observesMetrics: true,
            requestIDLabel: false, managedInstances: false, ownLinePrefix: "permafrost ")
    }

    func claimAll() throws -> [StoredChunk] {
        try spool.claim(.oldestFirst, maximumBytes: 1 << 20, maximumChunks: 100, nowMs: 10_000)
    }
}

/// A body of `count` text lines, each unlike every other.
func lines(_ count: Int, _ name: String = "a") -> String {
    let events = (0..<count).map {
        #"{"time":"2026-07-29T08:00:00.702Z","type":"function","record":"\#(name) \#($0)"}"#
    }
    return "[" + events.joined(separator: ",") + "]"
}
