import Foundation
import HTTPTransport
import LambdaSimulator

/// A ``DiscardingSink`` as a process of its own.
final class SinkProcess {
    private let child: ChildProcess
    private let port: UInt16
    private let output: String

    var url: String { "http://127.0.0.1:\(port)" }

    /// Returns when it listens.
    init(in directory: ScratchDirectory, keep: String? = nil) throws {
        output = directory.path + "/sink-port"
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        child = try ChildProcess(own, ["sink"] + (keep.map { ["--keep", $0] } ?? []), output: output)
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
            if text.hasSuffix("\n"), let port = UInt16(text.dropLast()) {
                self.port = port
                return
            }
            guard ContinuousClock.now < deadline else {
                throw SimulatorError.timedOut("the sink did not start within 10 s")
            }
            pause(.milliseconds(2))
        }
    }

    /// Documents answered for, bytes of their lines, bytes of the bodies on the wire.
    func totals() throws -> (items: Int, lineBytes: Int, bodyBytes: Int) {
        let numbers = String(decoding: try PlainHTTP.get(url + "/totals"), as: UTF8.self).split(separator: " ")
            .compactMap { Int($0) }
        guard numbers.count == 3 else { throw SimulatorError.server("the sink's totals cannot be read") }
        return (numbers[0], numbers[1], numbers[2])
    }

    func waitForItems(_ count: Int, timeout: Duration) throws {
        let deadline = ContinuousClock.now + timeout
        while true {
            let items = try totals().items
            if items >= count { return }
            guard ContinuousClock.now < deadline else {
                throw SimulatorError.timedOut("the sink got \(items) of \(count) documents within \(timeout)")
            }
            pause(.milliseconds(10))
        }
    }
}
