import Deflate
import JSON
import TelemetryModel

/// Lines on their way to a chunk: pairs of action and document line, with what the chunk says about them.
struct ChunkLane {
    let buffer: JSONBuffer
    private(set) var events = 0
    private var priority = Priority.line
    private var idsDigest: UInt64 = 0
    private var indices: [String] = []
    private var knownIndices: Set<String> = []
    private var lastIndex: IndexName?
    /// Where the pair that is being written begins.
    private var pairStart = 0

    /// Empties the buffer and uses it.
    init(buffer: JSONBuffer) {
        self.buffer = buffer
        buffer.removeAll()
    }

    @inline(__always)
    mutating func beginPair() { pairStart = buffer.count }

    /// Notes the pair that has been written. When it made the lines longer than `limit`, the chunk of those before it is
    /// returned, and it stays alone.
    @inline(__always)
    mutating func endPair(
        _ index: IndexName, idHash: UInt64, priority: Priority, limit: Int,
        encode: (UnsafeRawBufferPointer) -> DeflatedLines
    ) -> Chunk? {
        var finished: Chunk?
        if buffer.count > limit, pairStart > 0 { finished = cut(encode) }
        events &+= 1
        idsDigest = idsDigest &+ idHash
        if priority > self.priority { self.priority = priority }
        if lastIndex !== index {
            lastIndex = index
            note(index.name)
        }
        return finished
    }

    /// The chunk of what is left; nil when there is nothing.
    mutating func finish(encode: (UnsafeRawBufferPointer) -> DeflatedLines) -> Chunk? {
        defer { clear() }
        guard events > 0 else { return nil }
        return chunk(buffer.bytes, encode)
    }

    /// Takes over all lines of `other`.
    mutating func merge(_ other: inout ChunkLane) {
        buffer.append(other.buffer.bytes)
        events += other.events
        idsDigest = idsDigest &+ other.idsDigest
        priority = max(priority, other.priority)
        for name in other.indices { note(name) }
        other.clear()
    }

    private mutating func cut(_ encode: (UnsafeRawBufferPointer) -> DeflatedLines) -> Chunk {
        let finished = chunk(UnsafeRawBufferPointer(rebasing: buffer.bytes[..<pairStart]), encode)
        buffer.removeFirst(pairStart)
        self = ChunkLane(rest: buffer)
        return finished
    }

    private init(rest buffer: JSONBuffer) { self.buffer = buffer }

    private mutating func clear() { self = ChunkLane(buffer: buffer) }

    private mutating func note(_ name: String) {
        if knownIndices.insert(name).inserted { indices.append(name) }
    }

    private func chunk(
        _ lines: UnsafeRawBufferPointer, _ encode: (UnsafeRawBufferPointer) -> DeflatedLines
    ) -> Chunk {
        let deflated = encode(lines)
        return Chunk(
            stored: deflated.stored, storedCRC: deflated.storedCRC, linesCRC: deflated.linesCRC,
            linesLength: lines.count, events: events, priority: priority, idsDigest: idsDigest, indices: indices)
    }
}
