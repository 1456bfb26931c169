import Foundation

package extension ExecutionEnvironment {
    /// One invocation, until every extension that is waited for has called `next`. Starts the environment first when it
    /// has not been started, was reset, or an extension has died meanwhile.
    @discardableResult
    func invoke(_ invocation: Invocation = Invocation()) throws -> InvocationOutcome {
        let isLive = !processes.isEmpty && processes.allSatisfy(\.isRunning)
        if !isLive { try start() }
        thaw()
        if setup.isManagedInstances {
            return try invokeConcurrently([invocation])[0]
        }
        return try InvocationRun(environment: self, invocation: invocation, wasStarted: !isLive).run()
    }

    /// Several invocations at once, as on Managed Instances: starts, lines and reports of different requests interleave,
    /// no extension hears of them, there is no `runtimeDone`.
    @discardableResult
    func invokeConcurrently(_ invocations: [Invocation]) throws -> [InvocationOutcome] {
        let isLive = !processes.isEmpty && processes.allSatisfy(\.isRunning)
        if !isLive { try start() }
        thaw()
        let began = ContinuousClock.now
        let requests = invocations.map { _ in UUID().uuidString.lowercased() }
        for request in requests {
            stream.emit(
                PlatformEvents.start(requestID: request, version: setup.functionVersion, traceHeader: setup.traceHeader)
            )
        }
        var printers = requests.map { FunctionPrinter(environment: self, requestID: $0) }
        let rounds = invocations.map(\.logs.count).max() ?? 0
        for round in 0..<rounds {
            for (index, invocation) in invocations.enumerated() where round < invocation.logs.count {
                printers[index].print(invocation.logs[round])
            }
        }
        pause(invocations.map(\.duration).max() ?? .zero)
        return zip(invocations, zip(requests, printers)).reversed().map { invocation, request in
            let status = InvocationOutcome.Status(of: invocation.ending)
            let report = PlatformEvents.Report(
                requestID: request.0, status: status.rawValue, errorType: invocation.ending.errorType,
                durationMs: (.now - began).milliseconds, memorySizeMB: setup.memorySizeMB,
                maxMemoryUsedMB: invocation.usedMemoryMB, extensionOverheadMs: 0)
            stream.emit(PlatformEvents.report(report, isManagedInstances: true))
            return InvocationOutcome(
                requestID: request.0, status: status, extensionOverhead: .zero, heldNext: [:],
                crashed: processes.filter { !$0.isRunning }.map(\.name), wasStarted: !isLive,
                markers: request.1.markers)
        }.reversed()
    }
}

extension Invocation.Ending {
    var errorType: String? {
        switch self {
        case .success: nil
        case .functionError(let type): type
        case .runtimeCrash: "Runtime.ExitError"
        case .hang: "Sandbox.Timedout"
        }
    }
}

extension InvocationOutcome.Status {
    init(of ending: Invocation.Ending) {
        switch ending {
        case .success: self = .success
        case .functionError: self = .error
        case .runtimeCrash: self = .failure
        case .hang: self = .timeout
        }
    }
}

/// One classic invocation from `platform.start` to `platform.report`.
struct InvocationRun {
    let environment: ExecutionEnvironment
    let invocation: Invocation
    let wasStarted: Bool
    private let requestID = UUID().uuidString.lowercased()
    private let began = ContinuousClock.now

    init(environment: ExecutionEnvironment, invocation: Invocation, wasStarted: Bool) {
        self.environment = environment
        self.invocation = invocation
        self.wasStarted = wasStarted
    }

    private var setup: EnvironmentSetup { environment.setup }
    private var deadline: ContinuousClock.Instant { began + setup.timeout }

    private enum End { case everyoneIsIdle, died([String]) }

    func run() throws -> InvocationOutcome {
        environment.stream.emit(
            PlatformEvents.start(requestID: requestID, version: setup.functionVersion, traceHeader: setup.traceHeader))
        pause(invocation.invokeDelay)
        let deadlineMs = WallClock.nowMs() + Int64((deadline - .now).milliseconds)
        let told = environment.runtimeAPI.sendInvoke(
            requestID: requestID, deadlineMs: deadlineMs, functionARN: setup.functionARN, traceHeader: setup.traceHeader
        )
        var printer = FunctionPrinter(environment: environment, requestID: requestID)
        printer.print(invocation.logs, over: invocation.duration)
        invocation.beforeRuntimeDone?()
        if invocation.ending == .hang { return hang(told, printer) }

        let status = InvocationOutcome.Status(of: invocation.ending)
        let runtimeDone = ContinuousClock.now
        environment.stream.emit(
            PlatformEvents.runtimeDone(
                requestID: requestID, status: status.rawValue, errorType: invocation.ending.errorType,
                milliseconds: (runtimeDone - began).milliseconds))
        if invocation.ending == .runtimeCrash {
            environment.reset(.failure)
            if setup.reportsFailedInvocations { report(status, errorType: "Runtime.ExitError", overhead: .zero) }
            return outcome(status, overhead: .zero, told, [], printer)
        }
        switch waitForExtensions(told, until: deadline) {
        case .everyoneIsIdle:
            let overhead = .now - runtimeDone
            let held = heldNext(told)
            report(status, errorType: invocation.ending.errorType, overhead: overhead)
            if invocation.afterwards == .freeze { environment.freeze() }
            return outcome(status, overhead: overhead, told, [], printer, held: held)
        case .died(let names): return crash(names, told, printer)
        case nil:
            // The function has answered, but somebody held `next` beyond the deadline: the invocation is a timeout.
            return timeOut(told, printer, overhead: .now - runtimeDone)
        }
    }

    // MARK: Endings

    private func hang(_ told: [String], _ printer: FunctionPrinter) -> InvocationOutcome {
        let deaths = environment.runtimeAPI.wait(timeout: deadline - .now) { _ in dead().isEmpty ? nil : dead() }
        if let deaths { return crash(deaths, told, printer) }
        environment.stream.emit(
            PlatformEvents.runtimeDone(
                requestID: requestID, status: "timeout", errorType: "Sandbox.Timedout",
                milliseconds: (.now - began).milliseconds))
        return timeOut(told, printer, overhead: .zero)
    }

    private func timeOut(_ told: [String], _ printer: FunctionPrinter, overhead: Duration) -> InvocationOutcome {
        let held = heldNext(told)
        environment.reset(.timeout)
        if setup.reportsFailedInvocations { report(.timeout, errorType: "Sandbox.Timedout", overhead: overhead) }
        return outcome(.timeout, overhead: overhead, told, [], printer, held: held)
    }

    private func crash(_ names: [String], _ told: [String], _ printer: FunctionPrinter) -> InvocationOutcome {
        environment.stream.emit(
            PlatformEvents.runtimeDone(
                requestID: requestID, status: "failure", errorType: "Extension.Crash",
                milliseconds: (.now - began).milliseconds))
        environment.reset(.failure)
        if setup.reportsFailedInvocations { report(.failure, errorType: "Extension.Crash", overhead: .zero) }
        return outcome(.failure, overhead: .zero, told, names, printer)
    }

    private func report(_ status: InvocationOutcome.Status, errorType: String?, overhead: Duration) {
        let (initDuration, restoreDuration) = environment.state.withLock { state in
            defer {
                state.unreportedInit = nil
                state.unreportedRestore = nil
            }
            return (state.unreportedInit, state.unreportedRestore)
        }
        let report = PlatformEvents.Report(
            requestID: requestID, status: status.rawValue, errorType: errorType,
            durationMs: (.now - began).milliseconds, initDurationMs: initDuration?.milliseconds,
            restoreDurationMs: restoreDuration?.milliseconds, memorySizeMB: setup.memorySizeMB,
            maxMemoryUsedMB: invocation.usedMemoryMB, extensionOverheadMs: overhead.milliseconds)
        environment.stream.emit(PlatformEvents.report(report, isManagedInstances: false))
    }

    private func outcome(
        _ status: InvocationOutcome.Status, overhead: Duration, _ told: [String], _ crashed: [String],
        _ printer: FunctionPrinter, held: [String: Duration] = [:]
    ) -> InvocationOutcome {
        InvocationOutcome(
            requestID: requestID, status: status, extensionOverhead: overhead, heldNext: held, crashed: crashed,
            wasStarted: wasStarted, markers: printer.markers)
    }

    // MARK: Extensions

    private func dead() -> [String] { environment.processes.filter { !$0.isRunning }.map(\.name) }

    /// Nil when the deadline passed first.
    private func waitForExtensions(_ told: [String], until deadline: ContinuousClock.Instant) -> End? {
        environment.runtimeAPI.wait(timeout: max(.zero, deadline - .now)) { agents -> End? in
            let deaths = dead()
            if !deaths.isEmpty { return .died(deaths) }
            let waited = agents.filter { told.contains($0.name) }
            return waited.allSatisfy(\.isIdle) ? .everyoneIsIdle : nil
        }
    }

    private func heldNext(_ told: [String]) -> [String: Duration] {
        var held: [String: Duration] = [:]
        for agent in environment.runtimeAPI.agents where told.contains(agent.name) {
            if let delivered = agent.lastDeliveryAt, let next = agent.lastNextAt, next >= delivered {
                held[agent.name] = next - delivered
            }
        }
        return held
    }
}
