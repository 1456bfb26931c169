import Synchronization
package import TelemetryModel

/// A queue of compressed telemetry on the function's ephemeral disk, and everything else that is remembered.
///
/// A batch is durable once ``append(_:)`` returns: it survives a freeze and a crash of this process. It does not survive
/// the execution environment, so the drain at SHUTDOWN is the last chance to deliver it.
///
/// A chunk belongs to nobody or to one request that claimed it. Settling removes it in the transaction that counts its
/// outcome. The books balance after every commit: `received = duplicate + filtered + joined + delivered + rejected +
/// discarded + spooled`.
///
/// One database in WAL mode, one connection behind one mutex, held for a transaction and never over the network: SQLite
/// up to 3.51.2 has a fault in the reset of a WAL that needs two connections. https://www.sqlite.org/wal.html#walresetbug
package final class Spool: Sendable {
    package let directory: String
    let options: SpoolOptions
    let core: Mutex<SpoolCore>
    /// Replaced after each commit, inside the other mutex so that the order is that of the commits; itself never held
    /// over I/O, so that the closing line can be written whatever the disk does.
    private let published = Mutex(Books())
    /// Appends that are under way or wait for the mutex: shrinking stands back for them.
    let waitingAppends = Atomic<Int>(0)

    /// Touches nothing yet: ``open()`` does.
    package init(directory: String, options: SpoolOptions) {
        self.directory = directory
        self.options = options
        self.core = Mutex(SpoolCore())
    }

    /// What the mutex guards.
    struct SpoolCore {
        var store: SpoolStore?
        /// Stores opened so far: no revision of one is a revision of another.
        var opened: UInt64 = 0
        /// By the monotonic clock.
        var verifiedMs: Int64?
        var relocationFailedMs: Int64?
        /// What a store left that was quarantined, until its successor has it.
        var inheritance: Inheritance?
    }

    /// Readable without the spool's mutex: never waits for the disk.
    package var books: Books { published.withLock { $0 } }

    package var isOpen: Bool { core.withLock { $0.store != nil } }

    /// Nil under SnapStart before ``establishEnvironment()``, and while the spool is not open.
    package var environmentID: EnvironmentID? { core.withLock { $0.store?.row.environmentID } }

    /// Runs `body` on the open spool, then publishes the books and tells what there is to tell.
    ///
    /// When SQLite says that the database is not readable, here is where it is quarantined.
    func withStore<Result: Sendable>(
        _ body: @Sendable (SpoolStore) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        try withCore { core throws(SpoolError) in
            guard let store = core.store else { throw .notOpen }
            return try body(store)
        }
    }

    func withCore<Result: Sendable>(
        _ body: @Sendable (inout SpoolCore) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        let (result, notices) = core.withLock { core -> (Swift.Result<Result, SpoolError>, [Notice]) in
            let result: Swift.Result<Result, SpoolError>
            do throws(SpoolError) {
                result = .success(try body(&core))
            } catch {
                result = .failure(error)
                if error == .corrupt { quarantine(&core) }
            }
            var notices: [Notice] = []
            var broken: String?
            if let store = core.store {
                notices = store.notices
                store.notices.removeAll()
                let books = store.books
                published.withLock { $0 = books }
                if store.isBroken {
                    broken = store.file.path
                    store.connection.close()
                }
            }
            if let broken {
                // Its last transaction could not be ended. Everything committed is in the file: open that again, now or
                // when the caller does. The old store has to be gone: its lock would be in the way, and the close of its
                // file would take the new one's.
                core.store = nil
                _ = open(broken, &core)
            }
            return (result, notices)
        }
        for notice in notices { options.notice(notice) }
        return try result.get()
    }
}
