import TelemetryModel
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

/// A back end that answers 400 to whole requests: either a document is at fault, or the back end is.
@Suite struct BadRequestTests {
    private static let poison: ChoosyServer.Judge = { $0.contains("poison") ? 400 : nil }

    private func poisoned(_ count: Int, at place: Int) -> String {
        let events = (0..<count).map {
            #"{"time":"2026-07-29T08:00:00.702Z","type":"function","record":"\#($0 == place ? "poison" : "good \($0)")"}"#
        }
        return "[" + events.joined(separator: ",") + "]"
    }

    @Test func `a poisoned document is halved out and rejected, all others are stored`() throws {
        let server = try ChoosyServer(Self.poison)
        let delivery = try DeliveryFixture(to: server.url)
        try delivery.fixture.append(poisoned(9, at: 4))
        for number in 0..<4 { try delivery.fixture.append(lines(3, "chunk \(number)")) }
        for _ in 0..<30 where !delivery.spool.backlog().isEmpty { delivery.turn() }
        #expect(delivery.spool.backlog().isEmpty)
        #expect(server.stored.count == 8 + 12)
        #expect(delivery.ledger.total(.rejected) == 1)
        #expect(delivery.ledger.total(.delivered) == 20)
        #expect(delivery.ledger.imbalance == 0)
    }

    @Test func `a back end that answers everything 400 gets nothing rejected, and all of it when it heals`() throws {
        let server = try ChoosyServer { _ in 400 }
        let delivery = try DeliveryFixture(to: server.url)
        for number in 0..<5 { try delivery.fixture.append(lines(3, "chunk \(number)")) }
        for _ in 0..<40 { delivery.turn() }
        #expect(delivery.ledger.total(.rejected) == 0)
        #expect(delivery.ledger.total(.spooled) == 15)
        server.set { _ in nil }
        for _ in 0..<40 where !delivery.spool.backlog().isEmpty { delivery.turn() }
        #expect(delivery.spool.backlog().isEmpty)
        #expect(server.stored.count == 15)
        #expect(delivery.ledger.total(.rejected) == 0)
        #expect(delivery.ledger.imbalance == 0)
    }

    @Test func `a guilty document that is the probe of an open breaker makes room for the next one`() throws {
        let server = try ChoosyServer(Self.poison)
        let delivery = try DeliveryFixture(to: server.url)
        try delivery.fixture.append(poisoned(1, at: 0))
        delivery.turn()
        #expect(delivery.notices.count("opensearch_bad_request") > 0)
        // Others are accepted before it is due again, and then nothing is.
        try delivery.fixture.append(lines(3, "others"))
        for _ in 0..<500 where server.stored.isEmpty { delivery.request(forward: 10) }
        #expect(server.stored.count == 3)
        #expect(delivery.ledger.total(.rejected) == 0)
        server.set { _ in 503 }
        for _ in 0..<CircuitBreaker.threshold + 1 { delivery.turn() }
        #expect(delivery.logs.breaker.isOpen)
        try delivery.fixture.append(lines(3, "later"))
        server.set(Self.poison)
        for _ in 0..<5 { delivery.turn() }
        #expect(server.stored.count == 6)
        #expect(delivery.ledger.total(.rejected) == 1)
        #expect(delivery.spool.backlog().isEmpty)
    }
}
