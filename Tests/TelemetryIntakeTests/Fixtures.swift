import Deflate
import JSON
import TelemetryModel
import Testing

@testable import TelemetryIntake

/// Values with defaults, so that a test sets only what it is about.
enum Fixtures {
    static let environmentText = "0123456789abcdef"
    static let reception: Int64 = 1_785_312_000_000  // 2026-07-29T08:00:00.000Z
    static let function = FunctionIdentity(
        name: "checkout-worker", version: "17", accountID: "123456789012", region: "eu-west-1")

    static func identity() throws -> DocumentIdentity {
        .environment(try #require(EnvironmentID(environmentText)))
    }

    static func configuration(
        platform: String = "lambda-platform", requestBytes: Int = 5_242_880, level: Int = 1, storesEvents: Bool = true,
        observesMetrics: Bool = true, requestIDLabel: Bool = false, managedInstances: Bool = false
    ) throws -> IntakeConfiguration {
        IntakeConfiguration(
            indices: IndexPatterns(
                platform: try #require(IndexPattern(platform)), function: try #require(IndexPattern("lambda-function")),
                extensionLogs: try #require(IndexPattern("lambda-extension"))),
            requestBytes: requestBytes, compressionLevel: level, storesEvents: storesEvents,
            observesMetrics: observesMetrics, requestIDLabel: requestIDLabel, managedInstances: managedInstances)
    }
}

/// An encoder with the little of a spool that it needs: the state it goes on from, and the digests of recent bodies.
final class Intake {
    let encoder: BatchEncoder
    var state: IntakeState
    var number: UInt64 = 7
    var recent: [Digest128: Int] = [:]
    var ledger = Ledger()
    var function = Fixtures.function

    init(_ configuration: IntakeConfiguration? = nil, identity: DocumentIdentity? = nil) throws {
        encoder = try BatchEncoder(configuration: configuration ?? Fixtures.configuration())
        state = IntakeState(identity: try identity ?? Fixtures.identity(), lastAcknowledgementUncertain: false)
    }

    @discardableResult
    func post(_ body: String, nowMs: Int64 = Fixtures.reception) -> EncodedBatch {
        post(Array(body.utf8), nowMs: nowMs)
    }

    @discardableResult
    func post(_ body: [UInt8], nowMs: Int64 = Fixtures.reception) -> EncodedBatch {
        let batch = body.withUnsafeBytes {
            encoder.encode(
                body: $0, number: number, state: state, function: function, receivedMs: nowMs,
                recall: { self.recent[$0] })
        }
        commit(batch)
        return batch
    }

    func release(olderThanMs: Int64 = 0, nowMs: Int64 = Fixtures.reception) -> EncodedBatch? {
        let batch = encoder.releaseHeldParts(
            number: number, state: state, function: function, nowMs: nowMs, olderThanMs: olderThanMs)
        if let batch { commit(batch) }
        return batch
    }

    private func commit(_ batch: EncodedBatch) {
        number += 1
        state = batch.state
        state.revision += 1
        ledger.add(batch.ledger)
        if let body = batch.body { recent[body.digest] = body.events }
    }
}

extension EncodedBatch {
    /// All lines in the order of the ids' last number, action lines included.
    func lines() throws -> [String] {
        var pairs: [(ordinal: Int, action: String, document: String)] = []
        for chunk in chunks {
            let inflated = try Inflater.inflate(stored: chunk.stored, length: chunk.linesLength)
            let lines = String(decoding: inflated, as: UTF8.self).split(
                separator: "\n", omittingEmptySubsequences: false)
            for index in stride(from: 0, to: lines.count - 1, by: 2) {
                let read = try #require(ActionLine.read(Array(lines[index].utf8)))
                let ordinal = try #require(read.id.split(separator: "-").last.flatMap { Int($0) })
                pairs.append((ordinal, String(lines[index]), String(lines[index + 1])))
            }
        }
        return pairs.sorted { $0.ordinal < $1.ordinal }.flatMap { [$0.action, $0.document] }
    }

    func documents() throws -> [String] {
        try lines().enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
    }

    /// The `record` of each document, as it stands.
    func records() throws -> [String] { try documents().map { try $0.member("record") ?? "" } }
}

extension String {
    /// The value of a member at the top of this object, as it stands.
    func member(_ name: String) throws -> String? {
        var found: String?
        try JSONReader.read(Array(utf8)) { (reader) throws(JSONError) in
            try reader.beginObject()
            while let key = try reader.nextKey() {
                let value = String(decoding: try reader.rawValue(), as: UTF8.self)
                if key == name { found = value }
            }
        }
        return found
    }
}
