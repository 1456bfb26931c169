import TelemetryModel
import Testing

@testable import TelemetryPipeline

/// Moments for tests: both clocks move together unless told otherwise.
func moment(_ milliseconds: Int64, wall: Int64? = nil) -> Moment {
    Moment(monotonic: .milliseconds(milliseconds), wallMs: 1_700_000_000_000 + (wall ?? milliseconds))
}

@Suite struct FlushPolicyTests {
    let policy = FlushPolicy(events: 100, bytes: 10_000, age: .seconds(10))

    @Test func `an empty spool waits for something to arrive`() {
        #expect(policy.decision(events: 0, bytes: 0, oldestMs: nil, nowMs: 5) == .wait(nil))
    }

    @Test func `each threshold is enough by itself`() {
        #expect(policy.decision(events: 100, bytes: 1, oldestMs: 0, nowMs: 0) == .flush)
        #expect(policy.decision(events: 1, bytes: 10_000, oldestMs: 0, nowMs: 0) == .flush)
        #expect(policy.decision(events: 1, bytes: 1, oldestMs: 0, nowMs: 10_000) == .flush)
        #expect(policy.decision(events: 99, bytes: 9_999, oldestMs: 0, nowMs: 9_000) == .wait(.seconds(1)))
    }

    @Test func `a wall clock that was set back delays a flush by the age at most`() {
        #expect(policy.decision(events: 1, bytes: 1, oldestMs: 1_000_000, nowMs: 0) == .wait(.seconds(10)))
    }
}

@Suite struct BackoffTests {
    @Test func `waits grow to the cap, jitter over the whole range, and repeat for a seed`() {
        var backoff = Backoff(seed: 7)
        var again = Backoff(seed: 7)
        var longest: [Int: Duration] = [:]
        for failures in 1...12 {
            for _ in 0..<200 {
                let wait = backoff.wait(afterFailures: failures)
                let value1 = again.wait(afterFailures: failures)
                #expect(value1 == wait)
                #expect(wait <= Backoff.cap)
                longest[failures] = max(longest[failures] ?? .zero, wait)
            }
        }
        #expect(longest[1, default: .zero] <= .milliseconds(200))
        #expect(longest[1, default: .zero] > .milliseconds(150))
        #expect(longest[4, default: .zero] > .milliseconds(1200))
        #expect(longest[12, default: .zero] > .seconds(25))
    }

    @Test func `copies of a snapshot do not come back together`() {
        let snapshot = Backoff()
        let waits = (0..<2).map { _ in
            var copy = snapshot
            return (0..<8).map { _ in copy.wait(afterFailures: 12) }
        }
        #expect(waits[0] != waits[1])
    }

    @Test func `a wait the server asked for is the least`() {
        var backoff = Backoff(seed: 1)
        let value2 = backoff.wait(afterFailures: 1, floor: .seconds(40))
        #expect(value2 == .seconds(40))
    }
}

@Suite struct CircuitBreakerTests {
    @Test func `it opens after five failures in a row and lets one probe through at a time`() {
        var breaker = CircuitBreaker(seed: 3)
        var now = moment(0)
        for _ in 0..<5 {
            breaker.began()
            breaker.failed(at: now)
            now = now + .seconds(31)
        }
        #expect(breaker.isOpen)
        #expect(breaker.refusal(at: now) == nil)
        breaker.began()
        #expect(breaker.refusal(at: now) == .untilAnswered)
        breaker.succeeded()
        #expect(!breaker.isOpen)
        #expect(breaker.refusal(at: now) == nil)
    }

    @Test func `Retry-After is honoured`() {
        var breaker = CircuitBreaker(seed: 3)
        breaker.began()
        breaker.failed(at: moment(0), retryAfter: .seconds(12))
        #expect(breaker.refusal(at: moment(11_999)) == .until(moment(12_000)))
        #expect(breaker.refusal(at: moment(12_000)) == nil)
    }

    @Test func `an abandoned probe makes room for the next`() {
        var breaker = CircuitBreaker(seed: 3)
        for _ in 0..<5 { breaker.failed(at: moment(0)) }
        breaker.began()
        breaker.abandoned()
        #expect(breaker.refusal(at: moment(60_000)) == nil)
        #expect(breaker.isOpen)
    }

    @Test func `a request lost in a freeze is no failure, every further one in a row is`() {
        var breaker = CircuitBreaker(seed: 3)
        var counted: [Bool] = []
        for _ in 0..<3 { counted.append(breaker.lostInFreeze(at: moment(0))) }
        #expect(counted == [false, true, true])
        #expect(breaker.looksDead)
        breaker.succeeded()
        counted.append(breaker.lostInFreeze(at: moment(0)))
        breaker.failed(at: moment(0))
        counted.append(breaker.lostInFreeze(at: moment(0)))
        #expect(counted.suffix(2) == [false, false], "an answer between them")
        #expect(breaker.failures == 1)
    }
}

@Suite struct ThawedClockTests {
    @Test func `a freeze is noticed whether or not the monotonic clock counted it`() {
        var clock = ThawedClock(at: moment(0))
        let inTime = clock.slept(until: moment(100), upTo: .milliseconds(100))
        #expect(!inTime)
        let overslept = clock.slept(until: moment(60_100), upTo: .milliseconds(100))
        #expect(overslept)
        #expect(clock.elapsed == .milliseconds(300))
        let jumped = clock.slept(until: moment(60_101, wall: 200_000), upTo: .milliseconds(100))
        #expect(jumped)
        #expect(clock.elapsed == .milliseconds(301))
    }

    @Test func `a starved CPU is no freeze`() {
        var clock = ThawedClock(at: moment(0))
        let frozen = clock.slept(until: moment(600), upTo: .milliseconds(50))
        #expect(!frozen)
        #expect(clock.elapsed == .milliseconds(150))
    }

    @Test func `slow work is no freeze, and not held against requests on their way`() {
        var clock = ThawedClock(at: moment(0))
        let worked = clock.worked(until: moment(4_000))
        #expect(!worked)
        #expect(clock.elapsed == .milliseconds(100))
        let slept = clock.slept(until: moment(4_250), upTo: .milliseconds(250))
        #expect(!slept)
        #expect(clock.elapsed == .milliseconds(350))
    }

    @Test func `a freeze in the middle of work is noticed by either clock`() {
        var clock = ThawedClock(at: moment(0))
        let jumped = clock.worked(until: moment(10, wall: 30_000))
        #expect(jumped)
        let counted = clock.worked(until: moment(60_000, wall: 90_000))
        #expect(counted)
    }
}

@Suite struct FreezeInWorkTests {
    @Test func `long work is a freeze beside an INVOKE that was long in coming, whichever is seen first`() {
        for invokedFirst in [true, false] {
            var clock = ThawedClock(at: moment(0))
            if invokedFirst { clock.invoked(at: moment(1290), after: .milliseconds(1300)) }
            let first = clock.worked(until: moment(1300))
            #expect(first == invokedFirst)
            if !invokedFirst { clock.invoked(at: moment(1310), after: .milliseconds(1300)) }
            let second = clock.worked(until: moment(1320))
            #expect(second == !invokedFirst)
            let again = clock.worked(until: moment(1330))
            #expect(!again)
        }
    }

    @Test func `neither alone is one`() {
        var clock = ThawedClock(at: moment(0))
        let work = clock.worked(until: moment(1300))
        #expect(!work)
        clock.invoked(at: moment(1310), after: .milliseconds(700))
        let shortIdle = clock.worked(until: moment(1320))
        #expect(!shortIdle)
        clock.invoked(at: moment(9000), after: .seconds(5))
        let slept = clock.slept(until: moment(8990), upTo: .seconds(8))
        #expect(!slept)
        let later = clock.worked(until: moment(9010))
        #expect(!later, "the work is long past")
    }
}

@Suite struct StallWatchTests {
    @Test func `a request that moves is left alone, one that stands still is not`() {
        var watch = StallWatch(thawed: .zero)
        let value7 = watch.check(bytesMoved: 10, ofThemReceived: 0, isBodySent: false, thawed: .seconds(9))
        #expect(value7 == .waiting(.seconds(10)))
        let value8 = watch.check(bytesMoved: 10, ofThemReceived: 0, isBodySent: false, thawed: .seconds(19))
        #expect(value8 == .stalled)
        let value9 = watch.check(bytesMoved: 10, ofThemReceived: 0, isBodySent: true, thawed: .seconds(19))
        #expect(value9 == .waiting(.seconds(35)))
    }

    @Test func `after a freeze two seconds without movement end it, uncounted`() {
        var watch = StallWatch(thawed: .zero)
        _ = watch.check(bytesMoved: 10, ofThemReceived: 0, isBodySent: true, thawed: .seconds(1))
        watch.froze(thawed: .seconds(1))
        let value10 = watch.check(bytesMoved: 10, ofThemReceived: 0, isBodySent: true, thawed: .milliseconds(2900))
        #expect(value10 == .waiting(.milliseconds(100)))
        let value11 = watch.check(bytesMoved: 10, ofThemReceived: 0, isBodySent: true, thawed: .seconds(3))
        #expect(value11 == .lostInFreeze)
    }

    @Test func `freezes in a row, each sooner than two seconds after the last, keep no dead request`() {
        var watch = StallWatch(thawed: .zero)
        _ = watch.check(bytesMoved: 10, ofThemReceived: 0, isBodySent: true, thawed: .seconds(1))
        var verdicts: [StallWatch.Verdict] = []
        for second in 1...3 {
            watch.froze(thawed: .seconds(second))
            verdicts.append(
                watch.check(bytesMoved: 10, ofThemReceived: 0, isBodySent: true, thawed: .seconds(second)))
        }
        #expect(verdicts == [.waiting(.seconds(2)), .waiting(.seconds(1)), .lostInFreeze])
    }

    @Test func `a body that the socket takes after a freeze is no sign of its peer`() {
        var watch = StallWatch(thawed: .zero)
        watch.froze(thawed: .seconds(1))
        let uploading = watch.check(
            bytesMoved: 500, ofThemReceived: 0, isBodySent: false, thawed: .milliseconds(2900))
        #expect(uploading == .waiting(.seconds(2)))
        let sent = watch.check(bytesMoved: 900, ofThemReceived: 0, isBodySent: true, thawed: .milliseconds(3000))
        #expect(sent == .waiting(.seconds(2)))
        let silent = watch.check(bytesMoved: 900, ofThemReceived: 0, isBodySent: true, thawed: .seconds(5))
        #expect(silent == .lostInFreeze)
    }

    @Test func `an answer that moves after a freeze is waited for`() {
        var watch = StallWatch(thawed: .zero)
        watch.froze(thawed: .seconds(1))
        let value12 = watch.check(bytesMoved: 99, ofThemReceived: 89, isBodySent: true, thawed: .milliseconds(2900))
        #expect(value12 == .waiting(.seconds(45)))
    }
}

@Suite struct RequestSizingTests {
    private func accept(_ sizing: inout RequestSizing, _ count: Int) {
        for _ in 0..<count { sizing.accepted() }
    }

    @Test func `a refusal halves, ten good requests double again`() {
        var sizing = RequestSizing(maximum: 1_000_000)
        sizing.refused(size: 800_000)
        #expect(sizing.limit == 400_000)
        sizing.refused(size: 400_000)
        #expect(sizing.limit == 200_000)
        accept(&sizing, 9)
        #expect(sizing.limit == 200_000)
        accept(&sizing, 1)
        #expect(sizing.limit == 400_000)
        accept(&sizing, 20)
        #expect(sizing.limit == 1_000_000)
    }

    @Test func `however often it is refused, it comes back within a hundred good requests`() {
        var sizing = RequestSizing(maximum: 5_242_880)
        for _ in 0..<40 { sizing.refused(size: sizing.isAlone ? 1 : sizing.limit) }
        #expect(sizing.limit == RequestSizing.floor && sizing.isAlone)
        accept(&sizing, 10)
        #expect(!sizing.isAlone && sizing.limit == RequestSizing.floor)
        accept(&sizing, 70)
        #expect(sizing.limit == 5_242_880)
    }

    @Test func `at the floor a further refusal asks for one chunk at a time`() {
        var sizing = RequestSizing(maximum: 1024)
        sizing.refused(size: 900)
        #expect(sizing.limit == 1024 && sizing.isAlone)
        accept(&sizing, 10)
        #expect(!sizing.isAlone)
    }

    @Test func `requests of one size that are refused together halve once`() {
        var sizing = RequestSizing(maximum: 1 << 20)
        for _ in 0..<4 { sizing.refused(size: 1 << 20) }
        #expect(sizing.limit == 1 << 19 && !sizing.isAlone)
    }
}

@Suite struct GzipPreferenceTests {
    @Test func `gzip is given up only after plain was accepted and the next gzip failed again`() {
        var gzip = GzipPreference()
        let value13 = gzip.usesGzip(at: moment(0))
        #expect(value13)
        let value14 = gzip.gzipFailed(closed: false, at: moment(0))
        #expect(value14)
        let value15 = gzip.usesGzip(at: moment(0))
        #expect(!value15)
        gzip.plainAccepted()
        let value16 = gzip.usesGzip(at: moment(1))
        #expect(value16)
        let value17 = gzip.gzipFailed(closed: false, at: moment(1))
        #expect(value17)
        let value18 = gzip.usesGzip(at: moment(2))
        #expect(!value18)
        let value19 = gzip.usesGzip(at: moment(599_999))
        #expect(!value19)
        let value20 = gzip.usesGzip(at: moment(600_001))
        #expect(value20)
        gzip.gzipAccepted()
        let value21 = gzip.usesGzip(at: moment(600_002))
        #expect(value21)
    }

    @Test func `one closed connection is no suspicion, two in a row are`() {
        var gzip = GzipPreference()
        let value22 = gzip.gzipFailed(closed: true, at: moment(0))
        #expect(!value22)
        let value23 = gzip.usesGzip(at: moment(0))
        #expect(value23)
        let value24 = gzip.gzipFailed(closed: true, at: moment(0))
        #expect(value24)
        let value25 = gzip.usesGzip(at: moment(0))
        #expect(!value25)
        gzip.plainFailed()
        let value26 = gzip.usesGzip(at: moment(0))
        #expect(value26)
    }
}
