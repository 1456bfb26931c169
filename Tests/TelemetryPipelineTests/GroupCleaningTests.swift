import HTTPTransport
import LambdaSimulator
import TelemetryModel
import TelemetrySinks
import Testing

@testable import TelemetryPipeline

/// Which groups an environment removes from a PushGateway, and that a freeze takes none from it.
@Suite struct GroupCleaningTests {
    private let gateway: FakePushGateway
    private let loop: TransferLoop
    private let function = FunctionIdentity(
        name: "checkout", version: "7", accountID: "123456789012", region: "eu-west-1")

    init() throws {
        HTTPTransport.initializeProcess()
        gateway = try FakePushGateway()
        loop = try TransferLoop()
        push("old", age: 90_000)
    }

    /// A group as an environment of `function` would have pushed it, `age` seconds before the tests' time.
    private func push(_ instance: String, age: Double, _ change: (inout FunctionIdentity) -> Void = { _ in }) {
        var function = function
        change(&function)
        let text = Exposition.text(
            of: ExpositionGroup(function: function, summaries: [], counters: [], ledger: Ledger()))
        let now = Double(moment(0).wallMs) / 1000
        let problem = gateway.push(
            String(decoding: text, as: UTF8.self), labels: ["job": function.name, "instance": instance],
            pushedAt: now - age)
        #expect(problem == nil)
    }

    private var instances: [String] { gateway.groupLabels.compactMap { $0["instance"] }.sorted() }
    private var methods: [String] { gateway.requests.map(\.method) }

    private func cleaning(maximumAge: Duration = .seconds(86_400)) throws -> GroupCleaning {
        GroupCleaning(endpoint: try Endpoint(parsing: gateway.url), maximumAge: maximumAge, seed: 1)
    }

    private func time(_ milliseconds: Int64, wall: Int64? = nil) -> FlushTime {
        FlushTime(moment: moment(milliseconds, wall: wall), thawed: .milliseconds(milliseconds))
    }

    private func step(_ cleaning: inout GroupCleaning, _ time: FlushTime) {
        _ = cleaning.checkStall(loop, time)
        _ = cleaning.step(function: function, instance: "own", authentication: .none, loop: loop, time)
    }

    /// Until nothing is on its way any more.
    private func turn(_ cleaning: inout GroupCleaning, _ time: FlushTime) {
        step(&cleaning, time)
        while loop.active > 0 {
            for completion in loop.poll(timeout: .milliseconds(100)) { _ = cleaning.handle(completion) }
            step(&cleaning, time)
        }
    }

    @Test func `old groups of the same function are removed, and no others`() throws {
        push("older", age: 900_000)
        push("young", age: 80_000)
        push("own", age: 90_000)
        push("other account", age: 90_000) { $0.accountID = "210987654321" }
        push("other region", age: 90_000) { $0.region = "us-east-1" }
        push("other function", age: 90_000) { $0.name = "payment" }
        var cleaning = try cleaning()
        turn(&cleaning, time(0))
        #expect(methods.isEmpty, "it waits for its moment")
        turn(&cleaning, time(600_000))
        #expect(instances == ["other account", "other function", "other region", "own", "young"])
        #expect(methods == ["GET", "DELETE", "DELETE"])
        // Once a day.
        turn(&cleaning, time(80_000_000))
        #expect(methods.count == 3)
        turn(&cleaning, time(87_100_000))
        #expect(methods.count > 3)
    }

    @Test func `with a maximum age of zero the gateway is asked nothing`() throws {
        var cleaning = try cleaning(maximumAge: .zero)
        for seconds: Int64 in [0, 600, 90_000, 900_000] { turn(&cleaning, time(seconds * 1000)) }
        #expect(methods.isEmpty)
        #expect(instances == ["old"])
    }

    @Test func `a gateway without a list of groups is read as Prometheus reads it`() throws {
        gateway.faults.set([Fault(.status(404), path: "/api/v1/metrics")])
        var cleaning = try cleaning()
        for seconds: Int64 in [0, 600, 601, 1_300] { turn(&cleaning, time(seconds * 1000)) }
        #expect(instances.isEmpty)
    }

    @Test func `frozen time counts towards its moment`() throws {
        var cleaning = try cleaning()
        turn(&cleaning, time(0))
        turn(&cleaning, time(100, wall: 600_000))
        #expect(instances.isEmpty)
    }

    @Test func `a list whose answer comes after a freeze is read`() throws {
        gateway.faults.set([Fault(.delay(.milliseconds(50)), path: "/api/v1/metrics")])
        var cleaning = try cleaning()
        turn(&cleaning, time(0))
        step(&cleaning, time(600_000))
        #expect(loop.active == 1)
        cleaning.froze(time(600_000))
        turn(&cleaning, time(600_100))
        #expect(instances.isEmpty)
        #expect(methods == ["GET", "DELETE"])
    }

    @Test func `a list that is lost in a freeze is asked for again`() throws {
        gateway.faults.set([Fault(.hang, path: "/api/v1/metrics", count: 1)])
        var cleaning = try cleaning()
        turn(&cleaning, time(0))
        step(&cleaning, time(600_000))
        while gateway.requestCount == 0 { _ = loop.poll(timeout: .milliseconds(10)) }
        cleaning.froze(time(600_000))
        step(&cleaning, time(600_001))
        step(&cleaning, time(602_002))
        #expect(loop.active == 0)
        turn(&cleaning, time(1_300_000))
        #expect(instances.isEmpty)
        #expect(methods == ["GET", "GET", "DELETE"])
    }

    @Test(arguments: [FaultKind.hang, .closeWithoutAnswer])
    func `a removal that is lost in a freeze is repeated, and the others follow`(fault: FaultKind) throws {
        push("older", age: 900_000)
        gateway.faults.set([Fault(fault, method: "DELETE", count: 1)])
        var cleaning = try cleaning()
        turn(&cleaning, time(0))
        step(&cleaning, time(600_000))
        var listed = false
        while !listed {
            for completion in loop.poll(timeout: .milliseconds(100)) { listed = cleaning.handle(completion) }
        }
        step(&cleaning, time(600_001))
        #expect(loop.active == 1)
        cleaning.froze(time(600_001))
        while gateway.requestCount < 2 { for completion in loop.advance() { _ = cleaning.handle(completion) } }
        step(&cleaning, time(600_002))
        turn(&cleaning, time(602_100))
        #expect(instances.isEmpty)
        #expect(methods == ["GET", "DELETE", "DELETE", "DELETE"])
    }
}
