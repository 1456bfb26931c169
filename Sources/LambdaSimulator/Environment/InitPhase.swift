import Foundation

package extension ExecutionEnvironment {
    /// The init phase: starts all extensions, waits until each has registered and called `next` for the first time.
    ///
    /// After the first time it is the suppressed init of a reset environment: same directory, phase `invoke`. Throws when
    /// an extension ends, reports an error, or does not get there within the limit.
    @discardableResult
    func start() throws -> InitOutcome {
        let began = ContinuousClock.now
        let starts = state.withLock { state in
            state.starts += 1
            return state.starts
        }
        let isRestored = state.withLock { $0.isRestored }
        let phase = isRestored ? "snap-start" : starts == 1 ? "init" : "invoke"
        retireProcesses()
        stream.closePublishers()
        runtimeAPI.reset()
        state.withLock { $0.isFrozen = false }
        stream.resume()
        stream.beginInit()
        if !isRestored { stream.emit(PlatformEvents.initStart(setup, phase: phase, instanceID: instanceID)) }
        for path in setup.extensions { try startProcess(path) }
        let outcome = try waitForExtensions(since: began)
        state.withLock { $0.inits.append(outcome) }
        runtimeAPI.closeRegistration()
        if !isRestored {
            for agent in runtimeAPI.agents { stream.emit(PlatformEvents.extension(agent)) }
            stream.emit(PlatformEvents.initRuntimeDone(setup, phase: phase))
            stream.emit(
                PlatformEvents.initReport(setup, phase: phase, milliseconds: outcome.duration.milliseconds))
        }
        stream.endInit()
        if starts == 1, !isRestored { state.withLock { $0.unreportedInit = outcome.duration } }
        return outcome
    }

    private func startProcess(_ path: String) throws {
        let variables = EnvironmentVariables.make(
            setup, runtimeAPI: runtimeAPI.address, temporaryDirectory: temporaryDirectory)
        var command = (path: path, arguments: [String]())
        if setup.mountsPrivateTmp { command = try PrivateTmp.command(path, directory: temporaryDirectory) }
        // Not even root can make a file in /proc: it stands for Lambda's read-only file system.
        let process = try ExtensionProcess(
            path: command.path, arguments: command.arguments, name: Self.fileName(path), variables: variables,
            workingDirectory: "/proc",
            onLine: { [weak self] in self?.emitLine($0) },
            onExit: { [weak self] in self?.runtimeAPI.wake() })
        state.withLock { $0.processes.append(process) }
    }

    private func waitForExtensions(since began: ContinuousClock.Instant) throws -> InitOutcome {
        let processes = self.processes
        enum Verdict { case ready, failed(String) }
        let verdict = runtimeAPI.wait(timeout: setup.initLimit) { agents -> Verdict? in
            for process in processes {
                if let exit = process.exit {
                    return .failed("\(process.name) ended during init: \(exit)")
                }
                guard let agent = agents.first(where: { $0.name == process.name }) else { return nil }
                if agent.state == .initError || agent.state == .exitError {
                    return .failed("\(process.name) reported \(agent.reportedErrorType ?? "an error")")
                }
            }
            return agents.allSatisfy { $0.firstNextAt != nil } ? .ready : nil
        }
        switch verdict {
        case .ready: break
        case .failed(let what): throw SimulatorError.state(what)
        case nil:
            let states = runtimeAPI.agents.map { "\($0.name) \($0.state.rawValue)" }.joined(separator: ", ")
            throw SimulatorError.timedOut("init took longer than \(setup.initLimit); registered: [\(states)]")
        }
        let agents = runtimeAPI.agents
        let extensions = processes.map { process in
            let agent = agents.first { $0.name == process.name }
            return InitOutcome.Extension(
                name: process.name, registered: agent.map { $0.registeredAt - process.startedAt },
                firstNext: agent?.firstNextAt.map { $0 - process.startedAt }, residentBytes: process.residentBytes)
        }
        return InitOutcome(duration: .now - began, extensions: extensions)
    }
}

/// A mount namespace in which the environment's directory lies over /tmp.
enum PrivateTmp {
    private static let script = "mount --bind \"$1\" /tmp && shift && exec \"$@\""

    static func command(_ path: String, directory: String) throws(SimulatorError) -> (path: String, arguments: [String])
    {
        guard !path.hasPrefix("/tmp/") else {
            throw .state("\(path) would be hidden by a private /tmp: put the extension elsewhere")
        }
        guard isAvailable else { throw .state("unshare --mount is not permitted here") }
        return ("/usr/bin/unshare", ["--mount", "/bin/sh", "-c", script, "sh", directory, path])
    }

    /// Tried once: whether this process may make mount namespaces and bind mounts.
    static let isAvailable: Bool = {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
        process.arguments = ["--mount", "/bin/sh", "-c", "mount --bind /tmp /tmp"]
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()
}
