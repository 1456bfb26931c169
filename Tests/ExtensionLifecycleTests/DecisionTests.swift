import Synchronization
import TelemetryPipeline
import Testing

@testable import ExtensionLifecycle

/// Both clocks move together unless told otherwise.
private func moment(_ milliseconds: Int64, wall: Int64? = nil) -> Moment {
    Moment(monotonic: .milliseconds(milliseconds), wallMs: 1_700_000_000_000 + (wall ?? milliseconds))
}

@Suite struct ShutdownBudgetTests {
    private func budget(_ left: Int64?) -> Duration {
        let now = moment(5)
        return ShutdownBudget.deadline(deadlineMs: left.map { now.wallMs + $0 }, at: now).elapsed(since: now)
    }

    @Test func `the deadline is the event's, at most the platform's limit, less a margin`() {
        #expect(budget(2000) == .milliseconds(1850))
        #expect(budget(1999) == .milliseconds(1849))
        #expect(budget(300) == .milliseconds(150))
        #expect(budget(10_000) == .milliseconds(1850))
    }

    @Test func `a deadline that is nearly over leaves nothing, and nothing negative`() {
        #expect(budget(150) == .zero)
        #expect(budget(1) == .zero)
        #expect(budget(0) == .zero)
    }

    @Test(arguments: [Int64?.none, -1, 10_001, -86_400_000, 86_400_000, Int64.min / 4])
    func `a missing deadline or a stale clock gives the whole limit`(left: Int64?) {
        #expect(budget(left) == .milliseconds(1850))
    }

    @Test func `a deadline of any number is no trap`() {
        let now = moment(5)
        for deadline in [Int64.min, .max] {
            #expect(ShutdownBudget.deadline(deadlineMs: deadline, at: now).elapsed(since: now) == .milliseconds(1850))
        }
    }

    @Test func `from then on only the monotonic clock counts`() {
        let deadline = ShutdownBudget.deadline(deadlineMs: moment(2000).wallMs, at: moment(0))
        #expect(deadline.elapsed(since: moment(1000, wall: 900_000)) == .milliseconds(850))
    }
}

@Suite struct HoldPolicyTests {
    private let policy = HoldPolicy(hold: .milliseconds(100))

    private func wait(
        _ policy: HoldPolicy? = nil, finishedAt: Moment? = moment(0), deadline: Int64? = 60_000, underWay: Bool = true,
        breakerOpen: Bool = false, missed: Bool = false, now: Int64 = 0
    ) -> Duration? {
        (policy ?? self.policy).wait(
            invokedAt: moment(0), finishedAt: finishedAt, mayHaveMissedEnd: missed,
            deadlineMs: deadline.map { moment($0).wallMs }, flushUnderWay: underWay,
            breakerOpen: breakerOpen, now: moment(now))
    }

    @Test func `next is never held by default`() {
        #expect(wait(HoldPolicy(hold: .zero)) == nil)
    }

    @Test func `next is held for what is left since the end of the invocation`() {
        #expect(wait(now: 0) == .milliseconds(100))
        #expect(wait(now: 99) == .milliseconds(1))
        #expect(wait(now: 100) == nil)
    }

    @Test func `nothing is held without a flush under way`() {
        #expect(wait(underWay: false) == nil)
    }

    @Test func `nothing is held for a back end that is down`() {
        #expect(wait(breakerOpen: true) == nil)
    }

    @Test func `the last half second before the function's deadline is never held`() {
        #expect(wait(deadline: 550) == .milliseconds(50))
        #expect(wait(deadline: 500) == nil)
        #expect(wait(deadline: -5) == nil)
        #expect(wait(finishedAt: nil, deadline: 600) == .milliseconds(100))
    }

    @Test func `while the invocation runs its end is waited for, ten seconds at most`() {
        #expect(wait(finishedAt: nil, now: 100) == .milliseconds(9_900))
        #expect(wait(finishedAt: nil, now: 10_000) == nil)
        #expect(wait(finishedAt: nil, deadline: nil, now: 60) == .milliseconds(40))
        #expect(wait(finishedAt: nil, deadline: nil, now: 100) == nil)
        #expect(wait(finishedAt: moment(20_000), now: 20_050) == .milliseconds(50))
    }

    @Test func `an end that may have been missed is not waited for`() {
        #expect(wait(finishedAt: nil, missed: true) == nil)
    }
}

@Suite struct NextRetryTests {
    @Test func `waits double from 100 ms to 10 s and go on for ever`() {
        var retry = NextRetry()
        var waits = (0..<8).map { _ in retry.waitAfterFailure() }
        #expect(waits == [100, 200, 400, 800, 1600, 3200, 6400, 10_000].map { .milliseconds($0) })
        for _ in 0..<10_000 { waits = [retry.waitAfterFailure()] }
        #expect(waits == [.seconds(10)])
    }

    @Test func `a success begins anew`() {
        var retry = NextRetry()
        _ = retry.waitAfterFailure()
        _ = retry.waitAfterFailure()
        retry.succeeded()
        #expect(retry.waitAfterFailure() == .milliseconds(100))
    }
}

@Suite struct NetworkGateTests {
    private final class Wakes: Sendable {
        let count = Atomic<Int>(0)
    }

    private func gate() -> (gate: NetworkGate, wakes: Wakes) {
        let wakes = Wakes()
        return (NetworkGate(wake: { wakes.count.add(1, ordering: .relaxed) }), wakes)
    }

    @Test func `no back end is contacted before the first next`() {
        let (gate, _) = gate()
        #expect(gate.wait(at: moment(0)) != nil)
        #expect(gate.wait(at: moment(3_600_000)) != nil)
    }

    @Test func `an answer to next opens it and wakes the flush thread once`() {
        let (gate, wakes) = gate()
        gate.nextIsCalled(at: moment(0))
        gate.open()
        gate.open()
        #expect(gate.wait(at: moment(0)) == nil)
        #expect(wakes.count.load(ordering: .relaxed) == 1)
    }

    @Test func `where next is answered only at SHUTDOWN it opens a moment after the call`() {
        let (gate, _) = gate()
        gate.nextIsCalled(at: moment(10))
        #expect(gate.wait(at: moment(10)) == .milliseconds(100))
        #expect(gate.wait(at: moment(109)) == .milliseconds(1))
        #expect(gate.wait(at: moment(110)) == nil)
        #expect(gate.wait(at: moment(0)) == nil)
    }

    @Test func `a later call of next does not shut it again, nor put it off`() {
        let (gate, _) = gate()
        gate.nextIsCalled(at: moment(0))
        gate.nextIsCalled(at: moment(90))
        #expect(gate.wait(at: moment(100)) == nil)
        gate.nextIsCalled(at: moment(200))
        #expect(gate.wait(at: moment(200)) == nil)
    }
}

@Suite struct LambdaEnvironmentTests {
    @Test func `Lambda's variables are read, empty ones are none`() {
        let lambda = LambdaEnvironment([
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", "AWS_LAMBDA_FUNCTION_NAME": "checkout",
            "AWS_LAMBDA_FUNCTION_VERSION": "17", "AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1",
        ])
        #expect(lambda.runtimeAPI == "127.0.0.1:9001")
        #expect(lambda.functionName == "checkout" && lambda.functionVersion == "17")
        #expect(lambda.region == "eu-west-1")
    }

    @Test func `outside Lambda there is no runtime API, and the function has a name all the same`() {
        let lambda = LambdaEnvironment([:])
        #expect(lambda.runtimeAPI == nil && lambda.region == nil)
        #expect(lambda.functionName == "unknown" && lambda.functionVersion == "$LATEST")
        #expect(lambda.initializationType == .other)
    }

    @Test(arguments: [
        ("on-demand", LambdaEnvironment.InitializationType.onDemand),
        ("provisioned-concurrency", .provisionedConcurrency), ("snap-start", .snapStart),
        ("lambda-managed-instances", .managedInstances), ("something-new", .other),
    ])
    func `each init type is known`(text: String, type: LambdaEnvironment.InitializationType) {
        #expect(LambdaEnvironment(["AWS_LAMBDA_INITIALIZATION_TYPE": text]).initializationType == type)
    }

    @Test func `the name to register is the file's`() {
        #expect(ProcessEnvironment.executableName(arguments: ["/opt/extensions/permafrost"]) == "permafrost")
        #expect(ProcessEnvironment.executableName(arguments: ["renamed"]) == "renamed")
        #expect(!ProcessEnvironment.executableName(arguments: []).isEmpty)
    }
}
