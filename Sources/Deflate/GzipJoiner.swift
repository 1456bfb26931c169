/// Makes one gzip member of stored pieces without inflating or deflating any of them.
///
/// The pieces are raw deflate without a final block, closed with a full flush (``ChunkEncoder``). The member is a header,
/// the pieces, an empty final block, and a trailer from the pieces' CRCs and lengths.
/// https://www.rfc-editor.org/rfc/rfc1952, https://www.rfc-editor.org/rfc/rfc1951
///
/// Not copyable, so that finishing it cannot copy megabytes of pieces.
package struct GzipJoiner: ~Copyable {
    /// Header, empty final block and trailer together.
    package static let overhead = 20

    private var bytes: [UInt8]
    private var crc: UInt32 = 0
    private var length: Int = 0

    /// `capacity` in bytes of stored pieces.
    package init(reservingCapacity capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity + Self.overhead)
        // Magic, deflate, no flags, no time, no hint, unknown system.
        bytes.append(contentsOf: [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0xff])
    }

    package mutating func append(stored: [UInt8], linesCRC: UInt32, linesLength: Int) {
        bytes.append(contentsOf: stored)
        crc = CRC32.combine(crc, linesCRC, lengthOfB: linesLength)
        length += linesLength
    }

    package consuming func finish() -> [UInt8] {
        // A final block with a fixed code and nothing but its end.
        bytes.append(contentsOf: [0x03, 0x00])
        for value in [crc, UInt32(truncatingIfNeeded: length)] {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }
}
