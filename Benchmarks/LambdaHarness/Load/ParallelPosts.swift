import Dispatch
import LambdaSimulator
import Synchronization

/// Sends requests over two connections, so that the next body is there when the listener has answered the last.
enum ParallelPosts {
    private static let connections = 2

    /// The clients run on the core that is not measured.
    /// - Returns: seconds from before the connections were made to the last answer.
    static func send(_ requests: [[UInt8]], to port: UInt16) throws -> Double {
        let next = Atomic<Int>(0)
        let accepted = Atomic<Int>(0)
        let began = Clock.monotonic()
        DispatchQueue.concurrentPerform(iterations: connections) { _ in
            CPUSet.pinned(to: CPUSet.clientCore) {
                guard let client = try? TelemetryClient(port: port) else { return }
                while true {
                    let index = next.add(1, ordering: .relaxed).oldValue
                    guard index < requests.count, client.post(requests[index]) != nil else { return }
                    accepted.add(1, ordering: .relaxed)
                }
            }
        }
        guard accepted.load(ordering: .relaxed) == requests.count else {
            throw SimulatorError.http("a POST was not answered with 200")
        }
        return (Clock.monotonic() - began).nanosecondsAsSeconds
    }
}
