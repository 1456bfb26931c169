import Foundation

/// What SnapStart copies: the environment's directory and the events that had not been delivered.
///
/// An approximation: memory cannot be copied. Each copy starts its extensions anew over the copied directory, so a
/// process's own variables are lost where the real service keeps them, and it registers and subscribes a second time.
package struct Snapshot: Sendable {
    let setup: EnvironmentSetup
    let directory: String
    let leftovers: [String: TelemetryPublisher.Leftover]

    /// One more environment from the snapshot, started: the undelivered events of the snapshot come first, in a body of
    /// their own that is equal in every copy, then `restoreStart`, `restoreRuntimeDone` and `restoreReport`.
    package func restore(markers: MarkerSource, books: TelemetryBooks) throws -> ExecutionEnvironment {
        let environment = try ExecutionEnvironment(setup, markers: markers, books: books)
        try environment.adopt(self)
        return environment
    }

    package func remove() { TemporaryDirectory.remove(directory) }
}

package extension ExecutionEnvironment {
    /// Ends this environment after its init, as publishing a version does, and keeps what the copies are made of.
    func snapshot() throws -> Snapshot {
        thaw()
        retireProcesses()
        stream.closePublishers()
        let copy = try TemporaryDirectory.make("snapshot", in: setup.parentDirectory)
        try FileManager.default.copyItem(atPath: temporaryDirectory, toPath: copy + "/tmp")
        return Snapshot(setup: setup, directory: copy, leftovers: stream.leftovers)
    }

    fileprivate func adopt(_ snapshot: Snapshot) throws {
        try FileManager.default.removeItem(atPath: temporaryDirectory)
        try FileManager.default.copyItem(atPath: snapshot.directory + "/tmp", toPath: temporaryDirectory)
        state.withLock { $0.isRestored = true }
        let began = ContinuousClock.now
        stream.adopt(snapshot.leftovers)
        try start()
        if !stream.leftovers.isEmpty || stream.publishers.contains(where: { !$0.isIdle }) {
            for publisher in stream.publishers { _ = publisher.drain(timeout: .seconds(5)) }
        }
        stream.emit(PlatformEvents.restoreStart(setup, instanceID: instanceID))
        stream.emit(PlatformEvents.restoreRuntimeDone())
        let duration = ContinuousClock.now - began
        stream.emit(PlatformEvents.restoreReport(milliseconds: duration.milliseconds))
        state.withLock { $0.unreportedRestore = duration }
    }
}
