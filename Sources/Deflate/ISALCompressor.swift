import CISAL

/// ISA-L's level 1: several times as fast as zlib's, and a little smaller.
/// https://github.com/intel/isa-l/blob/master/include/igzip_lib.h
final class ISALCompressor: Compressor {
    static let pieceSize = 1 << 30

    // About 80 KiB, and 276 KiB for tokens and a hash table, of which short inputs touch little.
    private let stream: UnsafeMutablePointer<isal_zstream>
    private let tokens: UnsafeMutablePointer<UInt8>

    init() {
        stream = .allocate(capacity: 1)
        tokens = .allocate(capacity: Int(permafrost_isal_level_1_size))
    }

    deinit {
        stream.deallocate()
        tokens.deallocate()
    }

    func reset() {
        isal_deflate_init(stream)
        stream.pointee.level = 1
        stream.pointee.level_buf = tokens
        stream.pointee.level_buf_size = permafrost_isal_level_1_size
        stream.pointee.flush = UInt16(FULL_FLUSH)
    }

    func take(_ piece: UnsafeRawBufferPointer) {
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: piece.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(piece.count)
    }

    func fill(_ output: UnsafeMutableBufferPointer<UInt8>) throws(DeflateError) -> Int {
        stream.pointee.next_out = output.baseAddress
        stream.pointee.avail_out = UInt32(output.count)
        guard isal_deflate(stream) == COMP_OK else { throw .internal("isal_deflate") }
        return output.count - Int(stream.pointee.avail_out)
    }
}
