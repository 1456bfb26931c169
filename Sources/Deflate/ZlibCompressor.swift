import CZlib

/// zlib's levels 0 (stored) … 9 (smallest). About 270 KiB.
final class ZlibCompressor: Compressor {
    /// What fits zlib's window (two times 32 KiB less the longest match). Beyond it the window slides, and with it all
    /// 65,536 entries of its tables, every 32 KiB: a fifth of the time of level 1, for 2 to 3 % of the size. To forget is
    /// cheaper than to go on remembering.
    static let pieceSize = 65_000

    // zlib's state points back at the stream, so it must not move.
    private let stream: UnsafeMutablePointer<z_stream>

    init(level: Int) throws(DeflateError) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard permafrost_deflate_init(stream, Int32(level)) == Z_OK else { throw .outOfMemory }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    func reset() throws(DeflateError) {
        guard deflateReset(stream) == Z_OK else { throw .internal("deflateReset") }
    }

    func take(_ piece: UnsafeRawBufferPointer) {
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: piece.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(piece.count)
    }

    func fill(_ output: UnsafeMutableBufferPointer<UInt8>) throws(DeflateError) -> Int {
        stream.pointee.next_out = output.baseAddress
        stream.pointee.avail_out = UInt32(output.count)
        let code = deflate(stream, Z_FULL_FLUSH)
        guard code == Z_OK || code == Z_BUF_ERROR else { throw .internal("deflate") }
        return output.count - Int(stream.pointee.avail_out)
    }
}
