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

    private let lanes: Lanes
    private let limit: Int
    private let writer: DocumentWriter
    private var names: IndexNames
    /// The state of the id's hash behind the prefix.
    private let prefixHash: DocumentIDHash
    private var ordinal: UInt64 = 0
    private(set) var chunks: [Chunk] = []

    /// The buffers, kept from batch to batch.
    final class Lanes {
        let lines = ChunkLane(number: 0)
        let rest = ChunkLane(number: 1)
        let encoder: ChunkEncoder

        init(level: Int) throws(DeflateError) {
            encoder = try ChunkEncoder(level: level)
        }

        /// zlib fails only when it has no memory, and it asks for none after it has been made. Even then the lines are
        /// kept, as stored blocks.
        func deflate(_ lines: UnsafeRawBufferPointer) -> DeflatedLines {
            do throws(DeflateError) { return try encoder.encode(lines) } catch { return StoredBlocks.encode(lines) }
        }
    }

    init(
        lanes: Lanes, configuration: IntakeConfiguration, idPrefix: String, function: FunctionIdentity,
        instance: String?, receivedMs: Int64
    ) {
        self.lanes = lanes
        self.limit = configuration.requestBytes
        self.writer = DocumentWriter(function: function, instance: instance, receivedMs: receivedMs)
        self.names = IndexNames(patterns: configuration.indices, idPrefix: Array(idPrefix.utf8))
        var hash = DocumentIDHash()
        for byte in idPrefix.utf8 { hash.add(byte) }
        self.prefixHash = hash
        lanes.lines.clear()
        lanes.rest.clear()
    }

    /// `invocationID` is the inside of a JSON string, empty for none.
    mutating func append(_ element: BodyElement, _ bytes: UnsafeRawBufferPointer, invocationID: UnsafeRawBufferPointer)
    {
        let stream = element.kind.stream
        let priority: Priority =
            element.marks.contains(.failure) ? .failure : stream == .platform ? .platform : .line
        let lane = priority == .line ? lanes.lines : lanes.rest
        let buffer = lane.buffer
        let (moment, day) = writer.moment(of: element, bytes)
        let index = names.name(stream, day: day)
        lane.beginPair()
        buffer.append(index.actionHead)
        let digits = buffer.count
        buffer.append(number: ordinal)
        ordinal &+= 1
        var hash = prefixHash
        let written = buffer.bytes
        for position in digits..<written.count { hash.add(written[position]) }
        buffer.append(ActionLine.end)
        writer.append(element, bytes, moment: moment, invocationID: invocationID, to: buffer)
        let lanes = lanes
        if let chunk = lane.endPair(
            index, idHash: hash.value, priority: priority, limit: limit, encode: { lanes.deflate($0) })
        {
            chunks.append(chunk)
        }
    }

    /// All chunks; nothing may be appended afterwards.
    mutating func finish() -> [Chunk] {
        let lanes = lanes
        let lines = lanes.lines.buffer.count
        if lines <= Self.smallest, lanes.rest.events > 0, lanes.lines.events > 0,
            lines + lanes.rest.buffer.count <= limit
        {
            lanes.rest.merge(lanes.lines)
        }
        for lane in [lanes.rest, lanes.lines] {
            if let chunk = lane.finish(encode: { lanes.deflate($0) }) { chunks.append(chunk) }
            // Between bodies little is kept: most are of a few hundred KiB.
            lane.buffer.releaseIdle(above: 1 << 20)
        }
        return chunks
    }
}
