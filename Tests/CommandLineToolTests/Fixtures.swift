import Deflate
import Foundation
import Synchronization
import TelemetryModel
import TelemetrySpool
import Testing

@testable import CommandLineTool

/// A directory that removes itself, with a spool in it that a process may have open.
final class SpoolOnDisk {
    let directory: String
    let spool: Spool
    private let encoder: ChunkEncoder

    init() throws {
        directory = FileManager.default.temporaryDirectory.path + "/permafrost-tool-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        encoder = try ChunkEncoder(level: 1)
        spool = Spool(
            directory: directory + "/spool",
            options: SpoolOptions(maximumBytes: 64 << 20, crc32: { CRC32.of($0) }))
        try #require(spool.open() == .fresh)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    var path: String { directory + "/spool" }

    func chunk(_ documents: [(id: String, document: String)], index: String = "lambda-function") throws -> Chunk {
        let lines = documents.map { Self.lines($0.id, $0.document, index: index) }.joined()
        let deflated = try Array(lines.utf8).withUnsafeBytes { try encoder.encode($0) }
        return Chunk(
            stored: deflated.stored, storedCRC: deflated.storedCRC, linesCRC: deflated.linesCRC,
            linesLength: lines.utf8.count, events: documents.count, priority: .line,
            idsDigest: documents.reduce(0) { $0 &+ DocumentIDHash.hash(of: $1.id.utf8) }, indices: [index])
    }

    /// Appends one batch of these documents and rejects; its books balance.
    func append(_ documents: [(id: String, document: String)] = [], rejects: [RejectedDocument] = []) throws {
        let ticket = try spool.beginAppend()
        var batch = EncodedBatch(state: ticket.state)
        if !documents.isEmpty { batch.chunks = [try chunk(documents)] }
        batch.rejects = rejects
        batch.ledger.add(documents.count + rejects.count, .received)
        batch.ledger.add(documents.count, .spooled)
        for reject in rejects { batch.ledger.add(1, .rejected, reject.reason) }
        try spool.append(batch)
    }

    static func lines(_ id: String, _ document: String, index: String = "lambda-function") -> String {
        "{\"create\":{\"_index\":\"\(index)\",\"_id\":\"\(id)\"}}\n\(document)\n"
    }
}

extension RejectedDocument {
    static func refused(_ id: String, _ document: String, index: String = "lambda-function") -> RejectedDocument {
        RejectedDocument(
            id: id, index: index, status: 400, reason: LedgerReason.document, errorType: "mapper_parsing_exception",
            errorReason: "failed to parse field [record] of \u{1b}[31m'secret'", content: Array(document.utf8))
    }

    static let raw = RejectedDocument(
        status: 0, reason: LedgerReason.unreadable, errorType: "unreadable", errorReason: "no JSON",
        content: Array("no { json".utf8))
}

/// Runs the tool as a process would, with its output kept.
struct Ran {
    let code: Int32
    let output: String
    let errors: String

    private final class Kept: Sendable {
        let output = Mutex<[UInt8]>([])
        let errors = Mutex<[UInt8]>([])
    }

    init(_ arguments: String..., environment: [String: String] = [:]) {
        self.init(arguments, environment: environment)
    }

    init(_ arguments: [String], environment: [String: String] = [:]) {
        let kept = Kept()
        code = CommandLineTool.run(
            ["permafrost"] + arguments, environment: environment,
            console: Console(
                output: { bytes in kept.output.withLock { $0 += bytes } },
                errors: { bytes in kept.errors.withLock { $0 += bytes } }))
        output = String(decoding: kept.output.withLock { $0 }, as: UTF8.self)
        errors = String(decoding: kept.errors.withLock { $0 }, as: UTF8.self)
    }
}
