import Foundation
import LambdaSimulator

/// One row of the table of faults: appended as a line of JSON to the file that `PERMAFROST_EVIDENCE` names, for
/// `Tests/faults` to print.
struct EvidenceRecord: Codable {
    var fault: String
    var promise: String
    var rounds: String
    var outcome: String
    /// Repeats what the row is about.
    var filter: String

    /// Called when everything has been checked. A failed check of the same test shows in its status, not here.
    func write() throws {
        guard let path = Binary.environment("PERMAFROST_EVIDENCE") else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let line = try encoder.encode(self) + Data("\n".utf8)
        // O_APPEND: tests of one run write side by side.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw SimulatorError.system(call: "open", errno: errno) }
        defer { close(descriptor) }
        guard line.withUnsafeBytes({ Foundation.write(descriptor, $0.baseAddress, $0.count) }) == line.count else {
            throw SimulatorError.system(call: "write", errno: errno)
        }
    }
}
