/// The ready `_bulk` lines of some events of one batch, deflated: what the spool stores and a bulk request is made of.
///
/// The stored bytes are raw deflate from a fresh compressor, closed with a full flush and without a final block, so that
/// the stored bytes of any chunks, one after the other, are one deflate stream.
package struct Chunk: Sendable {
    package var stored: [UInt8]
    /// CRC-32 (gzip's) of `stored`, checked at every read.
    package var storedCRC: UInt32
    /// CRC-32 (gzip's) of the uncompressed lines, combined into the trailer of a request.
    package var linesCRC: UInt32
    /// Bytes of the uncompressed lines.
    package var linesLength: Int
    /// Events, which is documents, in the lines: at least 1.
    package var events: Int
    package var priority: Priority
    /// The wrapping sum of ``DocumentIDHash`` over the `_id`s.
    package var idsDigest: UInt64
    /// Every index name that an action line names, without repetition.
    package var indices: [String]

    package init(
        stored: [UInt8], storedCRC: UInt32, linesCRC: UInt32, linesLength: Int, events: Int, priority: Priority,
        idsDigest: UInt64, indices: [String]
    ) {
        self.stored = stored
        self.storedCRC = storedCRC
        self.linesCRC = linesCRC
        self.linesLength = linesLength
        self.events = events
        self.priority = priority
        self.idsDigest = idsDigest
        self.indices = indices
    }
}
