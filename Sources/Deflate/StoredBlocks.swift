/// Raw deflate that compresses nothing and needs no memory but its result: the last resort of an encoder that may not
/// fail. https://www.rfc-editor.org/rfc/rfc1951#section-3.2.4
package enum StoredBlocks {
    /// As ``ChunkEncoder/encode(_:)``: byte-aligned, without a final block.
    package static func encode(_ lines: UnsafeRawBufferPointer) -> DeflatedLines {
        var stored: [UInt8] = []
        stored.reserveCapacity(lines.count + lines.count / 65_535 * 5 + 10)
        var start = 0
        // The empty block at the end is what a full flush leaves.
        repeat {
            let length = min(lines.count - start, 65_535)
            let low = UInt8(truncatingIfNeeded: length)
            let high = UInt8(truncatingIfNeeded: length >> 8)
            stored.append(contentsOf: [0, low, high, ~low, ~high])
            stored.append(contentsOf: lines[start..<start + length])
            start += length
        } while start < lines.count
        if lines.count > 0 { stored.append(contentsOf: [0, 0, 0, 0xff, 0xff]) }
        return DeflatedLines(
            stored: stored, storedCRC: stored.withUnsafeBytes { CRC32.of($0) }, linesCRC: CRC32.of(lines))
    }
}
