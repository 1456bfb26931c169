import Deflate
import LambdaSimulator
import TelemetryModel
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

/// A chunk whose bytes are as they were stored and yet not what they should be: it must not hold up the others.
@Suite struct CorruptChunkTests {
    enum Fault: CaseIterable, Sendable {
        case notDeflated, tooFewDocuments, tooManyDocuments
    }

    /// A chunk that says it holds three documents.
    private func chunk(_ fault: Fault) throws -> Chunk {
        let count = fault == .tooManyDocuments ? 4 : 2
        let lines = Array(
            (0..<count).map { "{\"create\":{\"_index\":\"i\",\"_id\":\"corrupt-\($0)\"}}\n{\"poison\":1}\n" }.joined()
                .utf8)
        let deflated = try lines.withUnsafeBytes { try ChunkEncoder(level: 1).encode($0) }
        let stored = fault == .notDeflated ? [UInt8](repeating: 0xff, count: 100) : deflated.stored
        return Chunk(
            stored: stored, storedCRC: stored.withUnsafeBytes { CRC32.of($0) }, linesCRC: deflated.linesCRC,
            linesLength: lines.count, events: 3, priority: .line, idsDigest: 1, indices: ["i"])
    }

    private func expectOthers(_ delivery: DeliveryFixture) throws {
        for _ in 0..<30 where !delivery.spool.backlog().isEmpty { delivery.turn() }
        #expect(delivery.spool.backlog().isEmpty)
        #expect(delivery.ledger.total(.delivered) == 6)
        #expect(delivery.ledger.total(.discarded) == 3)
        #expect(delivery.ledger.imbalance == 0)
        #expect(delivery.notices.count("chunks_corrupt") == 1)
    }

    @Test(arguments: Fault.allCases)
    func `it is discarded, all others are delivered`(fault: Fault) throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        let delivery = try DeliveryFixture(to: server.url)
        try delivery.fixture.append(lines(3, "before"))
        try delivery.fixture.append([try chunk(fault)])
        try delivery.fixture.append(lines(3, "after"))
        try expectOthers(delivery)
        #expect(server.counts["lambda-function"] == 6)
    }

    @Test(arguments: [400, 413], Fault.allCases)
    func `so it is when the request is refused for it`(status: Int, fault: Fault) throws {
        let server = try ChoosyServer { $0.contains("poison") ? status : nil }
        let delivery = try DeliveryFixture(to: server.url)
        try delivery.fixture.append(lines(3, "before"))
        try delivery.fixture.append([try chunk(fault)])
        try delivery.fixture.append(lines(3, "after"))
        try expectOthers(delivery)
        #expect(server.stored.count == 6)
    }
}
