import CZlib

/// Lines, deflated so that any such results, one after the other, are one deflate stream without its final block.
package struct DeflatedLines: Sendable {
    package var stored: [UInt8]
    package var storedCRC: UInt32
    package var linesCRC: UInt32
}

/// Makes raw deflate that is closed with a full flush and has no final block.
///
/// Each result comes from a compressor that has forgotten everything before, so it needs no other to be inflated. It
/// forgets once more every ``pieceSize`` bytes, which is cheaper than to go on remembering. The same lines at the same
/// level give the same bytes. One `z_stream` (about 270 KiB) and one output buffer serve all.
package final class ChunkEncoder {
    // zlib's state points back at the stream, so it must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private let output: UnsafeMutablePointer<UInt8>
    private static let outputSize = 64 * 1024
    /// What fits zlib's window (two times 32 KiB less the longest match). Beyond it the window slides, and with it all
    /// 65,536 entries of its tables, every 32 KiB: a fifth of the time of level 1, for 2 to 3 % of the size.
    private static let pieceSize = 65_000

    /// `level` 0 (stored) … 9 (smallest).
    package init(level: Int) throws(DeflateError) {
        guard (0...9).contains(level) else { throw .level(level) }
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        output = .allocate(capacity: Self.outputSize)
        guard permafrost_deflate_init(stream, Int32(level)) == Z_OK else { throw .outOfMemory }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
        output.deallocate()
    }

    package func encode(_ lines: UnsafeRawBufferPointer) throws(DeflateError) -> DeflatedLines {
        guard deflateReset(stream) == Z_OK else { throw .internal("deflateReset") }
        var stored: [UInt8] = []
        stored.reserveCapacity(lines.count / 4 + 64)
        var start = 0
        repeat {
            let piece = min(lines.count - start, Self.pieceSize)
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: lines.baseAddress.map { ($0 + start).assumingMemoryBound(to: UInt8.self) })
            stream.pointee.avail_in = UInt32(piece)
            repeat {
                stream.pointee.next_out = output
                stream.pointee.avail_out = UInt32(Self.outputSize)
                let code = deflate(stream, Z_FULL_FLUSH)
                guard code == Z_OK || code == Z_BUF_ERROR else { throw .internal("deflate") }
                let made = Self.outputSize - Int(stream.pointee.avail_out)
                stored.append(contentsOf: UnsafeBufferPointer(start: output, count: made))
            } while stream.pointee.avail_out == 0
            start += piece
        } while start < lines.count
        stream.pointee.next_in = nil
        return DeflatedLines(
            stored: stored, storedCRC: stored.withUnsafeBytes { CRC32.of($0) }, linesCRC: CRC32.of(lines))
    }
}
