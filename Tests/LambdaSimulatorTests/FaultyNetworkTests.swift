import LambdaSimulator
import Testing

/// The network between a client and a stand-in breaks exactly as planned.
@Suite struct FaultyNetworkTests {
    private struct Bench {
        let search: FakeOpenSearch
        let network: FaultyNetwork

        init(_ plan: NetworkPlan = .calm) throws {
            search = try FakeOpenSearch()
            network = try FaultyNetwork(to: search.port, plan: plan)
        }

        func close() {
            network.stop()
            search.stop()
        }

        /// A bulk request of one document; its `_id` is `id`.
        static func request(_ id: String, filler: Int = 0) -> [UInt8] {
            let text = String(repeating: "x", count: filler)
            let body = "{\"create\":{\"_index\":\"logs\",\"_id\":\"\(id)\"}}\n{\"message\":\"\(text)\"}\n"
            let head =
                "POST /_bulk HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n"
            return Array((head + body).utf8)
        }

        func exchange(
            _ id: String, over connection: RawConnection, filler: Int = 0, timeout: Duration = .seconds(10)
        ) throws(RawConnectionError) -> Int {
            try connection.send(Self.request(id, filler: filler))
            return try connection.readResponse(timeout: timeout).status
        }
    }

    @Test func `without a plan every byte passes, and connections are kept`() throws {
        let bench = try Bench()
        defer { bench.close() }
        let connection = try RawConnection(port: bench.network.port)
        for number in 0..<5 { #expect(try bench.exchange("d\(number)", over: connection, filler: 200_000) == 200) }
        #expect(bench.search.documentCount == 5)
        #expect(bench.network.statistics.connections == 1)
        #expect(bench.network.statistics.exchanges == 5)
        #expect(bench.network.statistics.requestBytes > 1_000_000)
        #expect(bench.network.statistics.strikes == 0)
    }

    @Test(arguments: [NetworkFault.cut(.request, after: 40), .reset(.request, after: 40)])
    func `a request that is cut never reaches the server whole`(_ fault: NetworkFault) throws {
        let bench = try Bench(NetworkPlan([fault], count: 1))
        defer { bench.close() }
        let connection = try RawConnection(port: bench.network.port)
        #expect(throws: RawConnectionError.closed) { try bench.exchange("d", over: connection) }
        #expect(bench.search.documentCount == 0)
        #expect(try bench.exchange("d", over: RawConnection(port: bench.network.port)) == 200)
        #expect(bench.network.statistics.strikes == 1)
    }

    @Test(arguments: [
        NetworkFault.cut(.answer, after: 0), .cut(.answer, after: 20), .reset(.answer, after: 0),
        .reset(.answer, after: 20),
    ])
    func `an answer that is cut leaves what the server did`(_ fault: NetworkFault) throws {
        let bench = try Bench(NetworkPlan([fault], count: 1))
        defer { bench.close() }
        #expect(throws: RawConnectionError.closed) {
            try bench.exchange("d", over: RawConnection(port: bench.network.port))
        }
        #expect(bench.search.documentCount == 1)
    }

    @Test func `a black hole swallows without an end, until the connections are reset`() throws {
        let bench = try Bench(NetworkPlan([.blackHole(.answer, after: 0)], count: 1))
        defer { bench.close() }
        let connection = try RawConnection(port: bench.network.port)
        #expect(throws: RawConnectionError.timedOut) {
            try bench.exchange("d", over: connection, timeout: .milliseconds(200))
        }
        #expect(bench.search.documentCount == 1)
        #expect(!connection.isPeerGone)
        bench.network.resetConnections()
        #expect(throws: RawConnectionError.closed) { try connection.receive(timeout: .seconds(10)) }
        #expect(try bench.exchange("e", over: RawConnection(port: bench.network.port)) == 200)
    }

    @Test func `a delay holds both directions`() throws {
        let bench = try Bench(NetworkPlan([.delay(.milliseconds(120))]))
        defer { bench.close() }
        let began = ContinuousClock.now
        #expect(try bench.exchange("d", over: RawConnection(port: bench.network.port)) == 200)
        #expect(ContinuousClock.now - began >= .milliseconds(240))
    }

    @Test func `a throttle lets no more than its rate pass`() throws {
        let bench = try Bench(NetworkPlan([.throttle(bytesPerSecond: 100_000)]))
        defer { bench.close() }
        let began = ContinuousClock.now
        #expect(try bench.exchange("d", over: RawConnection(port: bench.network.port), filler: 30_000) == 200)
        #expect(ContinuousClock.now - began >= .milliseconds(280))
    }

    @Test func `a duplicate reaches the server twice, and the client gets one answer`() throws {
        let bench = try Bench(NetworkPlan([.duplicate], count: 1))
        defer { bench.close() }
        let connection = try RawConnection(port: bench.network.port)
        #expect(try bench.exchange("d", over: connection) == 200)
        #expect(try bench.exchange("e", over: connection) == 200)
        let deadline = ContinuousClock.now + .seconds(10)
        while bench.search.requestCount < 3, ContinuousClock.now < deadline { pause(.milliseconds(5)) }
        #expect(bench.search.requestCount == 3)
        #expect(bench.search.documentCount == 2)
        #expect(bench.network.statistics.exchanges == 2)
    }

    @Test func `the same seed strikes the same exchanges`() throws {
        func struck(_ seed: UInt64) throws -> [Bool] {
            let bench = try Bench(NetworkPlan([.reset(.answer, after: 0)], percent: 50, seed: seed))
            defer { bench.close() }
            return try (0..<24).map { number in
                let connection = try RawConnection(port: bench.network.port)
                return (try? bench.exchange("d\(number)", over: connection)) == nil
            }
        }
        let first = try struck(7)
        #expect(first.contains(true) && first.contains(false))
        #expect(try struck(7) == first)
        #expect(try struck(8) != first)
    }
}
