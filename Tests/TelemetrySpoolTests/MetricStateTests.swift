import TelemetryModel
import TelemetrySpool
import Testing

@Suite struct MetricStateTests {
    let directory = TemporaryDirectory()
    let world = World()

    private func spool() throws -> Spool {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        return spool
    }

    private func observe(_ spool: Spool, _ observations: [Observation], _ counters: [CounterIncrement] = []) throws {
        try spool.append(chunks: []) {
            $0.ledger = Ledger()
            $0.observations = observations
            $0.counters = counters
        }
    }

    @Test func `summaries are cumulative over restarts`() throws {
        do {
            let spool = try spool()
            try observe(
                spool, [Observation(family: "f_seconds", value: 1), Observation(family: "f_seconds", value: 3)])
        }
        let spool = try spool()
        try observe(spool, [Observation(family: "f_seconds", value: 5)])
        let summary = try #require(try spool.metricGroups().first?.summaries.first)
        #expect(summary.sketch.count == 3)
        #expect(summary.sketch.sum == 9)
        #expect(abs(summary.sketch.quantile(0.5) - 3) <= 0.03)
    }

    @Test func `of requests the newest 200 are in the group, over a restart too`() throws {
        do {
            let spool = try spool()
            for request in 0..<210 {
                try observe(
                    spool,
                    [
                        Observation(family: "f_seconds", value: 1, requestID: "r\(request)"),
                        Observation(family: "g_bytes", value: 1, requestID: "r\(request)"),
                    ])
            }
        }
        let spool = try spool()
        try observe(spool, [Observation(family: "f_seconds", value: 1, requestID: "r210")])
        let group = try #require(try spool.metricGroups().first)
        #expect(group.summaries.filter { $0.family == "f_seconds" }.map(\.requestID) == (11...210).map { "r\($0)" })
        #expect(group.summaries.filter { $0.family == "g_bytes" }.count == 199)
    }

    @Test func `after 64 label values further ones are other`() throws {
        let spool = try spool()
        for event in 0..<70 {
            try observe(spool, [], [CounterIncrement(family: CounterIncrement.events, labelValue: "t\(event)")])
        }
        try observe(spool, [], [CounterIncrement(family: CounterIncrement.events, labelValue: "t3")])
        let counters = try #require(try spool.metricGroups().first).counters
        #expect(counters.count == 65)
        #expect(counters.first { $0.labelValue == "other" }?.count == 6)
        #expect(counters.first { $0.labelValue == "t3" }?.count == 2)
    }

    @Test func `what the platform dropped is in the books`() throws {
        do {
            let spool = try spool()
            try observe(spool, [], [CounterIncrement(family: CounterIncrement.platformDropped, count: 7)])
        }
        #expect(try spool().books.platformDropped == 7)
    }

    @Test func `the number of summaries is bounded`() throws {
        let spool = try spool()
        try observe(spool, (0..<80).map { Observation(family: "family\($0)", value: 1) })
        let group = try #require(try spool.metricGroups().first)
        #expect(group.summaries.count == 64)
        #expect(group.counters == [.init(family: CounterIncrement.unobserved, labelValue: "other", count: 16)])
    }
}
