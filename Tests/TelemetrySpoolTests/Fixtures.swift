import Foundation
import Synchronization
import TelemetryModel

@testable import TelemetrySpool

/// A directory that removes itself.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        path = FileManager.default.temporaryDirectory.path + "/permafrost-spool-" + UUID().uuidString
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        _ = chmod(path, 0o700)
        try? FileManager.default.removeItem(atPath: path)
    }

    var spool: String { path + "/spool" }
    var database: String { spool + "/spool.db" }
    var wal: String { database + "-wal" }
}

struct TestFailure: Error {
    var what: String
}

extension TemporaryDirectory {
    /// The spool's files as they are now, in another directory: what a SIGKILL leaves.
    func copyOfSpool() throws -> String {
        let copy = path + "/copy-" + UUID().uuidString
        try FileManager.default.copyItem(atPath: spool, toPath: copy)
        return copy
    }

    func size(_ path: String) -> Int {
        (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    }

    func overwrite(_ path: String, at offset: Int, with bytes: [UInt8]) throws {
        let descriptor = Glibc.open(path, O_WRONLY)
        defer { close(descriptor) }
        guard pwrite(descriptor, bytes, bytes.count, off_t(offset)) == bytes.count else {
            throw TestFailure(what: "pwrite errno \(errno)")
        }
    }

    /// Runs a statement on the database of a spool that is not open.
    func execute(_ sql: String) throws {
        let connection = try Connection(path: database, access: .readWrite, vfs: nil)
        try SpoolSchema.prepareFile(connection)
        try connection.run(sql, during: "test")
    }
}

/// Clocks and free space that a test moves.
final class World: Sendable {
    let wallMs = Atomic<Int64>(1_700_000_000_000)
    let monotonicMs = Atomic<Int64>(1000)
    let free = Atomic<Int>(10 << 30)
    let total = Atomic<Int>(20 << 30)
    private let told = Mutex<[Notice]>([])

    var notices: [Notice] { told.withLock { $0 } }

    func advance(_ ms: Int64) {
        wallMs.add(ms, ordering: .relaxed)
        monotonicMs.add(ms, ordering: .relaxed)
    }

    func options(maximumBytes: Int? = 64 << 20, snapStart: Bool = false, vfs: String? = nil) -> SpoolOptions {
        var options = SpoolOptions(
            maximumBytes: maximumBytes, snapStart: snapStart, crc32: { Fixtures.crc32($0) },
            notice: { notice in self.told.withLock { $0.append(notice) } }, vfs: vfs)
        options.wallClockMs = { self.wallMs.load(ordering: .relaxed) }
        options.monotonicMs = { self.monotonicMs.load(ordering: .relaxed) }
        options.fileSystemSpace = { _ in
            FileSystemSpace(free: self.free.load(ordering: .relaxed), total: self.total.load(ordering: .relaxed))
        }
        return options
    }
}

extension Ledger {
    /// Without the entries that have come back to 0.
    var nonZero: [LedgerEntry: Int] { events.filter { $0.value != 0 } }
}

enum Fixtures {
    /// Any function of the bytes serves: the spool only compares what it gives.
    static func crc32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var sum = UInt64(bytes.count)
        var offset = 0
        while offset + 8 <= bytes.count {
            sum = (sum ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* 0x9e37_79b9_7f4a_7c15
            sum ^= sum >> 29
            offset += 8
        }
        while offset < bytes.count {
            sum = (sum ^ UInt64(bytes[offset])) &* 0x9e37_79b9_7f4a_7c15
            offset += 1
        }
        return UInt32(truncatingIfNeeded: sum ^ sum >> 32)
    }

    /// A chunk whose stored bytes are a pattern of `seed`.
    static func chunk(
        events: Int = 10, bytes: Int = 1000, priority: Priority = .line, seed: Int = 0,
        index: String = "lambda-function"
    ) -> Chunk {
        var stored = [UInt8](repeating: 0, count: bytes)
        for position in stride(from: 0, to: bytes, by: 256) {
            stored[position] = UInt8(truncatingIfNeeded: position >> 8 &+ seed &* 17)
        }
        return Chunk(
            stored: stored, storedCRC: stored.withUnsafeBytes(crc32), linesCRC: UInt32(truncatingIfNeeded: seed),
            linesLength: bytes * 5, events: events, priority: priority, idsDigest: UInt64(truncatingIfNeeded: seed),
            indices: [index])
    }

    static func body(_ seed: Int, events: Int = 10) -> LastBody {
        LastBody(digest: Digest128(high: 77, low: UInt64(bitPattern: Int64(seed))), events: events)
    }

    /// A batch of one body with these chunks, whose books balance.
    static func batch(
        _ ticket: AppendTicket, chunks: [Chunk], body: LastBody? = nil, change: (inout EncodedBatch) -> Void = { _ in }
    ) -> EncodedBatch {
        var batch = EncodedBatch(state: ticket.state)
        let events = chunks.reduce(0) { $0 + $1.events }
        batch.chunks = chunks
        batch.body = body ?? Self.body(Int(ticket.number), events: events)
        batch.state.lastBody = batch.body
        batch.ledger.add(events, .received)
        batch.ledger.add(events, .spooled)
        change(&batch)
        return batch
    }

    static func reject(_ text: String = "{}", reason: String = LedgerReason.document) -> RejectedDocument {
        RejectedDocument(
            id: "e-1-1", index: "lambda-function", status: 400, reason: reason, errorType: "mapper_parsing_exception",
            errorReason: "failed to parse", content: Array(text.utf8))
    }
}

extension Spool {
    /// Opens, or says why not.
    @discardableResult
    func opened() throws -> SpoolOpening {
        let opening = open()
        if case .failed(let reason) = opening { throw OpenFailure(reason: reason) }
        return opening
    }

    struct OpenFailure: Error {
        var reason: String
    }

    @discardableResult
    func append(
        chunks: [Chunk], body: LastBody? = nil, change: (inout EncodedBatch) -> Void = { _ in }
    ) throws -> UInt64 {
        let ticket = try beginAppend()
        try append(Fixtures.batch(ticket, chunks: chunks, body: body, change: change))
        return ticket.number
    }

    func claimAll(_ order: ClaimOrder = .oldestFirst, nowMs: Int64 = .max) throws -> [StoredChunk] {
        try claim(order, maximumBytes: .max / 2, maximumChunks: 1000, nowMs: nowMs)
    }

    @discardableResult
    func deliver(_ chunks: [StoredChunk]) throws -> SettlementResult {
        var settlement = Settlement()
        settlement.chunks = chunks.map { ChunkSettlement(id: $0.id, delivered: $0.chunk.events) }
        return try settle(settlement)
    }
}
