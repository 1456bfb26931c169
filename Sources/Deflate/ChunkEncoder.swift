/// Lines, deflated so that any such results, one after the other, are one deflate stream without its final block.
package struct DeflatedLines: Sendable {
    package var stored: [UInt8]
    package var storedCRC: UInt32
    package var linesCRC: UInt32
}

/// Makes raw deflate that is closed with a full flush and has no final block.
///
/// Each result comes from a compressor that has forgotten everything before, so it needs no other to be inflated. The same
/// lines at the same level give the same bytes on the same machine. One compressor and one output buffer serve all.
package final class ChunkEncoder {
    private static let outputSize = 64 * 1024

    private let compressor: any Compressor
    private let output = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: outputSize)

    /// `level` 0 (stored) … 9 (smallest): 1 is ISA-L's, the others are zlib's.
    package init(level: Int) throws(DeflateError) {
        guard (0...9).contains(level) else { throw .level(level) }
        compressor = level == 1 ? ISALCompressor() : try ZlibCompressor(level: level)
    }

    deinit {
        output.deallocate()
    }

    package func encode(_ lines: UnsafeRawBufferPointer) throws(DeflateError) -> DeflatedLines {
        try compressor.reset()
        var stored: [UInt8] = []
        stored.reserveCapacity(lines.count / 4 + 64)
        var rest = lines[...]
        repeat {
            let piece = rest.prefix(type(of: compressor).pieceSize)
            compressor.take(UnsafeRawBufferPointer(rebasing: piece))
            var made: Int
            repeat {
                made = try compressor.fill(output)
                stored.append(contentsOf: output.prefix(made))
            } while made == output.count
            rest = rest.dropFirst(piece.count)
        } while !rest.isEmpty
        return DeflatedLines(
            stored: stored, storedCRC: stored.withUnsafeBytes { CRC32.of($0) }, linesCRC: CRC32.of(lines))
    }
}
