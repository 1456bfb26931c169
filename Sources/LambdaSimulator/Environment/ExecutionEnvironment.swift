import Foundation

/// One simulated Lambda execution environment: starts extensions as processes, drives them through init, invocations,
/// freezes, resets and shutdown, and publishes telemetry by Lambda's rules.
///
/// ```swift
/// let search = try FakeOpenSearch()
/// var setup = EnvironmentSetup(extensions: ["/opt/extensions/permafrost"])
/// setup.variables["PERMAFROST_OPENSEARCH_URL"] = search.url
/// let environment = try ExecutionEnvironment(setup)
/// defer { environment.close() }
///
/// let start = try environment.start()                            // exec to first next: start.extensions[0].firstNext
/// for _ in 0..<10 { try environment.invoke(.logging(25)) }       // frozen in between, as on Lambda
/// environment.idle(.seconds(1))                                  // a second of wall clock, frozen
/// try environment.invoke(Invocation(ending: .hang))              // timeout: SHUTDOWN, SIGKILL; the next one restarts
/// environment.kill("permafrost")                                 // a crash; the next invocation restarts
/// try environment.invoke(.logging(25))
/// let end = environment.shutdown()                               // spindown: end.ends["permafrost"] == .exited(0)
///
/// let audit = Auditor.audit(environment.books, against: search)
/// assert(audit.isBalanced, "\(audit)")
/// ```
///
/// The phases are driven by one thread at a time and block it. ``kill(_:)``, ``processes``, ``books`` and the publishers
/// may be used from any thread meanwhile.
package final class ExecutionEnvironment: Sendable {
    struct State: Sendable {
        var processes: [ExtensionProcess] = []
        var starts = 0
        var isFrozen = false
        var isClosed = false
        /// Of the last init of phase `init`, until a report has told it.
        var unreportedInit: Duration?
        var unreportedRestore: Duration?
        /// Lines of processes that are gone, by extension.
        var earlierLines: [String: [ExtensionLine]] = [:]
        var exits: [String: [ProcessExit]] = [:]
        var inits: [InitOutcome] = []
        var resets: [ShutdownOutcome] = []
        /// Set when this environment is a copy of a snapshot.
        var isRestored = false
    }

    package let setup: EnvironmentSetup
    /// What stands for /tmp.
    package let temporaryDirectory: String
    package let runtimeAPI: RuntimeAPIServer
    package let stream: EventStream
    package let markers: MarkerSource
    package let instanceID: String
    let directory: String
    let state = Monitor(State())

    /// `markers` and `books` may be shared by environments that one audit looks at.
    package init(
        _ setup: EnvironmentSetup, markers: MarkerSource = MarkerSource(), books: TelemetryBooks = TelemetryBooks()
    ) throws {
        var setup = setup
        setup.runtimeAPI.functionName = setup.functionName
        setup.runtimeAPI.functionVersion = setup.functionVersion
        setup.runtimeAPI.accountID = setup.accountID
        setup.runtimeAPI.handler = setup.handler
        setup.runtimeAPI.isManagedInstances = setup.isManagedInstances
        setup.runtimeAPI.externalNames = Set(setup.extensions.map { Self.fileName($0) })
        self.setup = setup
        self.markers = markers
        directory = try TemporaryDirectory.make("lambda", in: setup.parentDirectory)
        temporaryDirectory = directory + "/tmp"
        guard mkdir(temporaryDirectory, 0o777) == 0 else {
            throw SimulatorError.system(call: "mkdir", errno: errno)
        }
        let stream = EventStream(options: setup.publisher, books: books)
        self.stream = stream
        runtimeAPI = try RuntimeAPIServer(options: setup.runtimeAPI) { name, subscription in
            stream.subscribe(name, subscription)
        }
        instanceID = UUID().uuidString.lowercased().replacingOccurrences(of: "-", with: "")
    }

    deinit {
        close()
    }

    static func fileName(_ path: String) -> String { String(path.split(separator: "/").last ?? "") }

    package var books: TelemetryBooks { stream.books }
    package var processes: [ExtensionProcess] { state.withLock { $0.processes } }
    package var isFrozen: Bool { state.withLock { $0.isFrozen } }

    package func process(_ name: String) -> ExtensionProcess? { processes.first { $0.name == name } }

    /// The publisher of an extension's present subscription; without a name, of the only extension.
    package func publisher(_ name: String? = nil) -> TelemetryPublisher? {
        stream.publishers.first { name == nil || $0.extensionName == name }
    }

    /// Everything an extension has printed in this environment, its earlier processes included.
    package func lines(_ name: String) -> [ExtensionLine] {
        let earlier = state.withLock { $0.earlierLines[name] ?? [] }
        return earlier + (process(name)?.lines ?? [])
    }

    /// How an extension's earlier processes ended, in order.
    package func exits(_ name: String) -> [ProcessExit] { state.withLock { $0.exits[name] ?? [] } }

    /// Every init so far, suppressed ones included.
    package var inits: [InitOutcome] { state.withLock { $0.inits } }
    /// The SHUTDOWN phases of timeouts and crashes so far.
    package var resets: [ShutdownOutcome] { state.withLock { $0.resets } }

    // MARK: Time between invocations

    /// Stops all processes and the platform's timers. Only when every extension is in `next`: the caller waits for that.
    package func freeze() {
        guard !setup.isManagedInstances else { return }
        state.withLock { $0.isFrozen = true }
        stream.pause()
        for process in processes { process.freeze() }
    }

    package func thaw() {
        let wasFrozen = state.withLock { state in
            defer { state.isFrozen = false }
            return state.isFrozen
        }
        guard wasFrozen else { return }
        for process in processes { process.thaw() }
        stream.resume()
    }

    /// Lets wall-clock time pass, in the state the environment is in: frozen after an invocation that freezes.
    package func idle(_ duration: Duration) { pause(duration) }

    /// Lets the processes run for a while between invocations: thaws first and does not freeze again.
    package func run(for duration: Duration) {
        thaw()
        pause(duration)
    }

    /// Thaws and waits until everything made so far has been acknowledged. False when `timeout` passed first.
    @discardableResult
    package func deliverTelemetry(timeout: Duration = .seconds(10)) -> Bool {
        thaw()
        return stream.publishers.allSatisfy { $0.drain(timeout: timeout) }
    }

    /// SIGKILL to an extension, in whatever it is doing. The next invocation starts all extensions anew.
    @discardableResult
    package func kill(_ name: String) -> ProcessExit? { process(name)?.kill() }

    /// Kills what is left, stops the servers and removes the directory. Further calls do nothing.
    package func close() {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard isFirst else { return }
        retireProcesses()
        stream.closePublishers()
        runtimeAPI.stop()
        TemporaryDirectory.remove(directory)
    }

    /// Kills all processes and remembers their lines.
    func retireProcesses() {
        let retired = state.withLock { state in
            defer { state.processes = [] }
            return state.processes
        }
        for process in retired { process.send(SIGKILL) }
        for process in retired {
            let exit = process.waitForExit(timeout: .seconds(10))
            process.waitForOutput(timeout: .seconds(1))
            state.withLock { state in
                state.earlierLines[process.name, default: []] += process.lines
                if let exit { state.exits[process.name, default: []].append(exit) }
            }
        }
    }

    /// An extension's own line becomes an event.
    func emitLine(_ line: ExtensionLine) {
        let time = WallClock.nowMs()
        var record: [UInt8] = []
        JSONValue.append(line.text + "\n", to: &record)
        stream.emit(
            TelemetryEvent(
                timeMs: time, type: "extension", record: record,
                key: .line(time: WallClock.iso8601(ms: time), text: line.text)))
    }
}
