import Foundation

package extension ExecutionEnvironment {
    /// The SHUTDOWN phase and the end of this environment's processes; `/tmp` is kept until ``close()``.
    @discardableResult
    func shutdown(_ reason: ShutdownReason = .spindown) -> ShutdownOutcome {
        let outcome = endProcesses(reason)
        stream.closePublishers()
        return outcome
    }

    /// What follows a timeout or a crash: SHUTDOWN, SIGKILL at the deadline. The environment keeps its `/tmp`; the next
    /// invocation starts all extensions anew, and what could not be delivered goes to them.
    @discardableResult
    func reset(_ reason: ShutdownReason) -> ShutdownOutcome {
        let outcome = endProcesses(reason)
        stream.closePublishers()
        runtimeAPI.reset()
        state.withLock { $0.resets.append(outcome) }
        return outcome
    }

    private func endProcesses(_ reason: ShutdownReason) -> ShutdownOutcome {
        let began = ContinuousClock.now
        let told = shutdownDelivery(reason, since: began)
        let processes = self.processes
        let ended = runtimeAPI.wait(timeout: max(.zero, began + setup.shutdownLimit - .now)) { agents -> Bool? in
            told.allSatisfy { name in
                Self.hasEnded(name, processes, agents, since: began) != nil
            } ? true : nil
        }
        let agents = runtimeAPI.agents
        var ends: [String: ShutdownOutcome.End] = [:]
        for process in processes {
            guard told.contains(process.name) else {
                ends[process.name] = .notTold
                continue
            }
            ends[process.name] = Self.hasEnded(process.name, processes, agents, since: began) ?? .killed
        }
        let duration = ContinuousClock.now - began
        retireProcesses()
        _ = ended
        let lines = Dictionary(processes.map { ($0.name, self.lines($0.name)) }) { $1 }
        return ShutdownOutcome(duration: duration, ends: ends, lines: lines)
    }

    /// Thaws, sends SHUTDOWN, and lets the platform deliver what it still holds a moment later.
    private func shutdownDelivery(_ reason: ShutdownReason, since began: ContinuousClock.Instant) -> [String] {
        let wasFrozen = isFrozen
        state.withLock { $0.isFrozen = false }
        for process in processes { process.thaw() }
        if setup.isManagedInstances { stream.flush() }
        let deadlineMs =
            WallClock.nowMs() + Int64(setup.shutdownLimit.milliseconds)
            + Int64(setup.shutdownDeadlineOffset.milliseconds)
        let told = runtimeAPI.sendShutdown(reason: reason, deadlineMs: deadlineMs)
        if wasFrozen { pause(setup.lastReportDelay) }
        stream.resume()
        stream.flush()
        return told
    }

    private static func hasEnded(
        _ name: String, _ processes: [ExtensionProcess], _ agents: [ExtensionAgent],
        since began: ContinuousClock.Instant
    ) -> ShutdownOutcome.End? {
        if let exit = processes.first(where: { $0.name == name })?.exit {
            return exit.code.map { .exited($0) } ?? .killed
        }
        guard let agent = agents.first(where: { $0.name == name }) else { return .killed }
        guard let delivered = agent.lastDeliveryAt, delivered >= began, let next = agent.lastNextAt, next > delivered
        else { return nil }
        return .calledNext
    }
}
