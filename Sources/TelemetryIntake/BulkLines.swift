import Deflate
import JSON
import TelemetryModel

/// Turns the events of one batch into chunks of `_bulk` lines.
///
/// Plain lines gather apart from the rest, since they are what a full spool gives up first; a batch that has few of them
/// becomes one chunk all the same.
struct BulkLines {
    /// Plain lines above this many bytes get chunks of their own.
    private static let smallest = 64 * 1024

    private let buffers: Buffers
    private var plain: ChunkLane
    private var rest: ChunkLane
    private let limit: Int
    private let patterns: IndexPatterns
    private let writer: DocumentWriter
    private var names: IndexNames
    /// The state of the id's hash behind the prefix.
    private let prefixHash: DocumentIDHash
    private var ordinal: UInt64 = 0
    private(set) var chunks: [Chunk] = []

    /// What is kept from batch to batch.
    final class Buffers {
        let plain = JSONBuffer()
        let rest = JSONBuffer()
        let encoder: ChunkEncoder

        init(level: Int) throws(DeflateError) {
            encoder = try ChunkEncoder(level: level)
        }

        /// A compressor fails only when it has no memory, and it asks for none after it has been made. Even then the lines are
        /// kept, as stored blocks.
        func deflate(_ lines: UnsafeRawBufferPointer) -> DeflatedLines {
            do throws(DeflateError) { return try encoder.encode(lines) } catch { return StoredBlocks.encode(lines) }
        }

        /// Between bodies little is kept: most are of a few hundred KiB.
        func releaseIdle() {
            plain.releaseIdle(above: 1 << 20)
            rest.releaseIdle(above: 1 << 20)
        }
    }

    init(
        buffers: Buffers, configuration: IntakeConfiguration, idPrefix: String, function: FunctionIdentity,
        instance: String?, receivedMs: Int64
    ) {
        self.buffers = buffers
        self.plain = ChunkLane(buffer: buffers.plain)
        self.rest = ChunkLane(buffer: buffers.rest)
        self.limit = configuration.requestBytes
        self.patterns = configuration.indices
        self.writer = DocumentWriter(function: function, instance: instance, receivedMs: receivedMs)
        self.names = IndexNames(patterns: configuration.indices, idPrefix: Array(idPrefix.utf8))
        self.prefixHash = Self.hash(of: idPrefix)
    }

    private static func hash(of idPrefix: String) -> DocumentIDHash {
        var hash = DocumentIDHash()
        for byte in idPrefix.utf8 { hash.add(byte) }
        return hash
    }

    /// `invocationID` is the inside of a JSON string, empty for none. With an `idPrefix` the event has it alone, and no
    /// index in the batch.
    mutating func append(
        _ element: BodyElement, _ bytes: UnsafeRawBufferPointer, invocationID: UnsafeRawBufferPointer,
        idPrefix: String? = nil
    ) {
        let stream = element.kind.stream
        let priority: Priority =
            element.marks.contains(.failure) ? .failure : stream == .platform ? .platform : .line
        let buffer = priority == .line ? plain.buffer : rest.buffer
        let (moment, day) = writer.moment(of: element, bytes)
        let index: IndexName
        var hash = prefixHash
        var number: UInt64 = 0
        if let idPrefix {
            var names = IndexNames(patterns: patterns, idPrefix: Array(idPrefix.utf8))
            index = names.name(stream, day: day)
            hash = Self.hash(of: idPrefix)
        } else {
            index = names.name(stream, day: day)
            number = ordinal
            ordinal &+= 1
        }
        if priority == .line { plain.beginPair() } else { rest.beginPair() }
        buffer.append(index.actionHead)
        let digits = buffer.count
        buffer.append(number: number)
        hash.add(UnsafeRawBufferPointer(rebasing: buffer.bytes[digits...]))
        buffer.append(ActionLine.end)
        writer.append(element, bytes, moment: moment, invocationID: invocationID, to: buffer)
        let buffers = buffers
        let finished =
            priority == .line
            ? plain.endPair(index, idHash: hash.value, priority: priority, limit: limit) { buffers.deflate($0) }
            : rest.endPair(index, idHash: hash.value, priority: priority, limit: limit) { buffers.deflate($0) }
        if let finished { chunks.append(finished) }
    }

    /// All chunks; nothing may be appended afterwards.
    mutating func finish() -> [Chunk] {
        let size = plain.buffer.count
        if size <= Self.smallest, rest.events > 0, plain.events > 0, size + rest.buffer.count <= limit {
            rest.merge(&plain)
        }
        let buffers = buffers
        if let chunk = rest.finish(encode: { buffers.deflate($0) }) { chunks.append(chunk) }
        if let chunk = plain.finish(encode: { buffers.deflate($0) }) { chunks.append(chunk) }
        buffers.releaseIdle()
        return chunks
    }
}
