import LambdaSimulator
import TelemetryModel
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

/// One index that refuses everything, another that works.
@Suite struct BlockedIndexTests {
    /// `count` platform events of about 250 bytes as documents.
    private func platformEvents(_ count: Int, _ name: String) -> String {
        let events = (0..<count).map {
            #"{"time":"2026-07-29T08:00:00.702Z","type":"platform.extension","record":{"name":"\#(name) \#($0)","state":"Ready"}}"#
        }
        return "[" + events.joined(separator: ",") + "]"
    }

    @Test func `a wall clock that is set back keeps no row waiting`() throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        server.faults.set([
            Fault(.item(status: 403, type: "cluster_block_exception"), index: "lambda-platform", count: 3)
        ])
        let delivery = try DeliveryFixture(to: server.url)
        try delivery.fixture.append(platformEvents(3, "a"))
        delivery.request()
        #expect(delivery.spool.backlog().waiting.events == 3)
        delivery.request(forward: -86_400_000)
        #expect(server.counts["lambda-platform"] == 3)
    }

    @Test func `rows of a blocked index that are larger than a request do not keep the other index waiting`() throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        server.faults.set([
            Fault(.item(status: 403, type: "cluster_block_exception"), index: "lambda-platform")
        ])
        let delivery = try DeliveryFixture(to: server.url, requestBytes: 16 << 10)
        for name in ["a", "b"] {
            try delivery.fixture.append(platformEvents(200, name))
            delivery.request()
        }
        #expect(delivery.spool.backlog().waiting.bytes > 2 * 16 << 10)
        for number in 0..<4 { try delivery.fixture.append(lines(3, "chunk \(number)")) }
        for _ in 0..<4 { delivery.request() }
        #expect(server.counts["lambda-function"] == 12)
        #expect(delivery.ledger.total(.spooled) == 400)
    }
}
