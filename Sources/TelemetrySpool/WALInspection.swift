import Glibc

/// Looks for what SQLite passes over in silence: it ends the recovery of a WAL at the first frame that does not fit.
///
/// A commit frame of the WAL's own generation behind that frame was written after it, so the frame was good once, and
/// commits have been lost. What a rolled-back transaction leaves has no commit frame.
/// https://www.sqlite.org/fileformat2.html#the_write_ahead_log
enum WALInspection {
    /// True when the WAL at this path has lost commits. Only for a file that no connection of this process has open.
    /// It reads the file once; checkpoints keep it short.
    static func hasLostCommits(path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        func read(_ buffer: inout [UInt8], at offset: Int) -> Bool {
            buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, off_t(offset)) == $0.count }
        }
        var header = [UInt8](repeating: 0, count: 32)
        var frame = [UInt8](repeating: 0, count: SpoolSchema.frameSize)
        guard read(&header, at: 0), read(&frame, at: 32) else { return false }
        let magic = word(header, 0)
        guard magic & ~1 == 0x377f_0682 else {
            // Zeros are the blocks that are set aside; anything else was a header.
            return header.contains { $0 != 0 } || frame.contains { $0 != 0 }
        }
        var sums = Checksum(isBigEndian: magic & 1 == 1)
        sums.add(header, 0..<24)
        guard word(header, 24) == sums.first, word(header, 28) == sums.second else { return true }
        var offset = 32
        while read(&frame, at: offset), isOfGeneration(frame, header) {
            sums.add(frame, 0..<8)
            sums.add(frame, 24..<frame.count)
            guard word(frame, 16) == sums.first, word(frame, 20) == sums.second else { break }
            offset += SpoolSchema.frameSize
        }
        var frameHeader = [UInt8](repeating: 0, count: 24)
        while read(&frameHeader, at: offset) {
            // The second word of a commit frame is the size of the database in pages; of any other it is 0.
            if isOfGeneration(frameHeader, header), word(frameHeader, 4) != 0 { return true }
            offset += SpoolSchema.frameSize
        }
        return false
    }

    /// The two salts, which every restart of the WAL changes.
    private static func isOfGeneration(_ frame: [UInt8], _ header: [UInt8]) -> Bool {
        frame[8..<16] == header[16..<24]
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    private struct Checksum {
        let isBigEndian: Bool
        private(set) var first: UInt32 = 0
        private(set) var second: UInt32 = 0

        init(isBigEndian: Bool) {
            self.isBigEndian = isBigEndian
        }

        /// `range` lies within `bytes` and its length is a multiple of 8.
        mutating func add(_ bytes: [UInt8], _ range: Range<Int>) {
            bytes.withUnsafeBytes { bytes in
                for offset in stride(from: range.lowerBound, to: range.upperBound, by: 8) {
                    let left = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                    let right = bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                    first = first &+ (isBigEndian ? UInt32(bigEndian: left) : UInt32(littleEndian: left)) &+ second
                    second = second &+ (isBigEndian ? UInt32(bigEndian: right) : UInt32(littleEndian: right)) &+ first
                }
            }
        }
    }
}
