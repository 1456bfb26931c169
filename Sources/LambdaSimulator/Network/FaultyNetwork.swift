import Foundation

/// A TCP proxy on loopback between a client and a server, which breaks as networks do: delays, cuts, resets, black holes,
/// duplicates, throttles.
///
/// ```swift
/// let network = try FaultyNetwork(to: search.port)
/// network.set(NetworkPlan([.reset(.answer, after: 40)], percent: 20, seed: 7))   // from now on, kept connections included
/// …
/// network.heal()
/// ```
///
/// One thread of its own moves all bytes. The plan may be changed from any thread at any time; an exchange that is under
/// way keeps the fault it has drawn.
package final class FaultyNetwork: Sendable {
    private struct State: Sendable {
        var plan = NetworkPlan.calm
        var random = SeededRandom(seed: 1)
        var drawn = 0
        var statistics = NetworkStatistics()
        var resetsAll = false
        var isStopped = false
        var isFinished = false
    }

    /// Where clients connect.
    package let port: UInt16
    private let target: UInt16
    private let state = Monitor(State())
    private let waker: (read: Int32, write: Int32)

    package init(to target: UInt16, plan: NetworkPlan = .calm) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe2(&ends, O_CLOEXEC | O_NONBLOCK) == 0 else {
            throw SimulatorError.system(call: "pipe2", errno: errno)
        }
        waker = (ends[0], ends[1])
        self.target = target
        let listener: NetworkSocket
        do {
            (listener, port) = try NetworkSocket.listening()
        } catch {
            for descriptor in ends { close(descriptor) }
            throw error
        }
        set(plan)
        let loop = NetworkLoop(
            listener: listener, waker: ends[0], target: target,
            control: { [state] statistics in
                state.withLock { state in
                    state.statistics = statistics
                    defer { state.resetsAll = false }
                    return (state.resetsAll, state.isStopped)
                }
            },
            draw: { [state] in state.withLock { Self.draw(&$0) } })
        let thread = Thread { [state] in
            loop.run()
            state.withLock { $0.isFinished = true }
        }
        thread.name = "network"
        thread.start()
    }

    deinit {
        stop()
        close(waker.read)
        close(waker.write)
    }

    package var url: String { "http://127.0.0.1:\(port)" }

    package var statistics: NetworkStatistics { state.withLock { $0.statistics } }

    /// Counting and the sequence of draws start anew.
    package func set(_ plan: NetworkPlan) {
        state.withLock { state in
            state.plan = plan
            state.random = SeededRandom(seed: plan.seed)
            state.drawn = 0
        }
    }

    /// No more faults. Connections that are struck stay so; ``resetConnections()`` ends them.
    package func heal() { set(.calm) }

    /// A RST to both ends of every connection, as when a middlebox restarts.
    package func resetConnections() {
        state.withLock { $0.resetsAll = true }
        wake()
    }

    package func stop() {
        state.withLock { $0.isStopped = true }
        wake()
        _ = state.wait(timeout: .seconds(5)) { $0.isFinished ? true : nil }
    }

    private func wake() {
        var byte: UInt8 = 1
        _ = write(waker.write, &byte, 1)
    }

    private static func draw(_ state: inout State) -> NetworkFault? {
        let plan = state.plan
        guard !plan.faults.isEmpty, plan.count.map({ state.drawn < $0 }) ?? true,
            plan.percent >= 100 || state.random.chance(plan.percent)
        else { return nil }
        state.drawn += 1
        return plan.faults.randomElement(using: &state.random)
    }
}
