import HTTPTransport
import LambdaSimulator
import TelemetryModel
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

/// What a delivery remembers of its back end, and how many requests it has on their way.
@Suite struct DeliveryTests {
    @Test func `gzip that was refused is tried again after ten minutes`() throws {
        var options = FakeOpenSearch.Options()
        options.refusesGzip = true
        let server = try FakeOpenSearch(options: options)
        defer { server.stop() }
        let delivery = try DeliveryFixture(to: server.url)
        /// Whether gzip was tried for a few lines, which are delivered in any case.
        func triesGzip(_ name: String, forward: Int64) throws -> Bool {
            let before = server.requestCount
            try delivery.fixture.append(lines(3, name))
            delivery.turn(forward: forward)
            for _ in 0..<3 where !delivery.spool.backlog().isEmpty { delivery.turn(forward: 1_000) }
            #expect(delivery.spool.backlog().isEmpty)
            return server.requests.dropFirst(before).contains(where: \.isGzip)
        }
        #expect(try triesGzip("suspected", forward: 1_000))
        #expect(try triesGzip("on trial", forward: 1_000))
        #expect(try !triesGzip("unwanted", forward: 590_000))
        #expect(try triesGzip("again", forward: 20_000))
        #expect(try !triesGzip("unwanted again", forward: 590_000))
        #expect(server.documentCount == 15)
    }

    @Test func `at SHUTDOWN one request is on its way until the first answer, then up to four`() throws {
        let server = try FakeOpenSearch()
        defer { server.stop() }
        // A request has room for one chunk.
        let delivery = try DeliveryFixture(to: server.url, requestBytes: 1024)
        for number in 0..<8 { try delivery.fixture.append(lines(3, "chunk \(number)")) }
        delivery.logs.beginShutdown(delivery.time, until: delivery.time.moment + .milliseconds(1850))
        func step() { _ = delivery.logs.step(delivery.time, shuttingDown: true) }
        step()
        step()
        #expect(delivery.loop.active == 1)
        var most = 0
        while delivery.loop.active > 0 {
            for completion in delivery.loop.poll(timeout: .milliseconds(100)) {
                _ = delivery.logs.handle(completion, delivery.time)
            }
            step()
            most = max(most, delivery.loop.active)
        }
        #expect(most == 4)
        #expect(server.requestCount == 8)
        #expect(delivery.logs.isDrained)
        #expect(server.documentCount == 24)
    }
}
