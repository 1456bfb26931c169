import Deflate
import JSON
import LambdaSimulator
import TelemetryIntake
import TelemetryModel
import TelemetrySinks

/// The whole intake: a byte of options, then the bodies of POSTs, one after the other, with a line `---` between them.
enum IntakeTarget {
    private static let receivedMs: Int64 = 1_785_312_000_000
    private static let function = FunctionIdentity(
        name: "checkout", version: "17", accountID: "123456789012", region: "eu-west-1")

    static func check(_ input: [UInt8]) throws {
        guard let options = input.first, let environment = EnvironmentID("0123456789abcdef") else { return }
        let encoder = try BatchEncoder(configuration: configuration(options))
        let identity = options & 16 == 0 ? DocumentIdentity.environment(environment) : .snapshot
        var state = IntakeState(identity: identity, lastAcknowledgementUncertain: options & 2 != 0)
        var recent: [Digest128: Int] = [:]
        var spooled = 0
        var documents = 0
        var ids: Set<String> = []
        for (number, body) in bodies(input.dropFirst()).enumerated() {
            let batch = body.withUnsafeBytes { bytes in
                encoder.encode(
                    body: bytes, number: UInt64(number), state: state, function: function, receivedMs: receivedMs,
                    recall: { recent[$0] })
            }
            _ = body.withUnsafeBytes { BatchEncoder.containsRestoreStart($0) }
            let pairs = try BatchCheck.pairs(of: batch)
            // Equal bodies of one snapshot share their ids: that is what makes its copies agree.
            for pair in pairs where identity != .snapshot {
                try expect(ids.insert(pair.id).inserted, "the id \(pair.id) twice")
            }
            try expectEqual(
                batch.ledger.total(.received), batch.body?.events ?? batch.ledger.total(.duplicate), "received")
            if number == 0 { try EventCheck.check(body, batch, pairs) }
            spooled += batch.ledger.total(.spooled)
            documents += pairs.count
            try expectEqual(spooled, documents + batch.state.heldParts.count, "spooled")
            if let body = batch.body { recent[body.digest] = body.events }
            state = batch.state
        }
        guard
            let released = encoder.releaseHeldParts(
                number: 99, state: state, function: function, nowMs: receivedMs, olderThanMs: 0)
        else { return try expect(state.heldParts.isEmpty, "parts are not released") }
        documents += try BatchCheck.pairs(of: released).count
        try expect(released.state.heldParts.isEmpty, "parts are left")
        try expectEqual(spooled + released.ledger.total(.spooled), documents, "spooled after the release")
    }

    private static func configuration(_ options: UInt8) -> IntakeConfiguration {
        IntakeConfiguration(
            indices: IndexPatterns(
                platform: IndexPattern("platform-%Y.%m.%d") ?? IndexPattern(fixed: "platform"),
                function: IndexPattern(fixed: "function"), extensionLogs: IndexPattern(fixed: "extension")),
            requestBytes: options & 1 == 0 ? 5_242_880 : 1024, requestIDLabel: options & 8 != 0,
            managedInstances: options & 4 != 0)
    }

    private static func bodies(_ bytes: ArraySlice<UInt8>) -> [[UInt8]] {
        let separator = Array("\n---\n".utf8)
        var bodies: [[UInt8]] = [[]]
        var index = bytes.startIndex
        while index < bytes.endIndex {
            if bodies.count < 8, bytes[index] == separator[0], bytes[index...].starts(with: separator) {
                bodies.append([])
                index += separator.count
            } else {
                bodies[bodies.count - 1].append(bytes[index])
                index += 1
            }
        }
        return bodies
    }
}
