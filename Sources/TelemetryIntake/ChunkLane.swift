import Deflate
import JSON
import TelemetryModel

/// Lines on their way to a chunk: pairs of action and document line, with what the chunk says about them.
final class ChunkLane {
    let buffer = JSONBuffer(capacity: 4096)
    private let number: Int
    private var generation: UInt64 = 1
    private(set) var events = 0
    private var priority = Priority.line
    private var idsDigest: UInt64 = 0
    private var indices: [String] = []
    private var knownIndices: Set<String> = []
    /// Where the pair that is being written begins.
    private var pairStart = 0

    /// `number` 0 or 1: the place in ``IndexName/noted``.
    init(number: Int) {
        self.number = number
    }

    @inline(__always)
    func beginPair() { pairStart = buffer.count }

    /// Notes the pair that has been written. When it made the lines longer than `limit`, the chunk of those before it is
    /// returned, and it stays alone.
    @inline(__always)
    func endPair(
        _ index: IndexName, idHash: UInt64, priority: Priority, limit: Int,
        encode: (UnsafeRawBufferPointer) -> DeflatedLines
    ) -> Chunk? {
        var finished: Chunk?
        if buffer.count > limit, pairStart > 0 {
            finished = chunk(UnsafeRawBufferPointer(rebasing: buffer.bytes[..<pairStart]), encode)
            buffer.removeFirst(pairStart)
            reset()
        }
        events &+= 1
        idsDigest = idsDigest &+ idHash
        if priority > self.priority { self.priority = priority }
        if index.noted[number] != generation {
            index.noted[number] = generation
            note(index.name)
        }
        return finished
    }

    /// The chunk of what is left; nil when there is nothing.
    func finish(encode: (UnsafeRawBufferPointer) -> DeflatedLines) -> Chunk? {
        defer { clear() }
        guard events > 0 else { return nil }
        return chunk(buffer.bytes, encode)
    }

    /// Takes over all lines of `other`.
    func merge(_ other: ChunkLane) {
        buffer.append(other.buffer.bytes)
        events += other.events
        idsDigest = idsDigest &+ other.idsDigest
        priority = max(priority, other.priority)
        for name in other.indices { note(name) }
        other.clear()
    }

    private func note(_ name: String) {
        if knownIndices.insert(name).inserted { indices.append(name) }
    }

    func clear() {
        buffer.removeAll()
        reset()
    }

    private func reset() {
        // A new number: names noted for the chunk before are to be noted again.
        generation &+= 1
        events = 0
        priority = .line
        idsDigest = 0
        indices = []
        knownIndices = []
        pairStart = 0
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
