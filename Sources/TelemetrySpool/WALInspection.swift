import Glibc

/// Looks for what SQLite passes over in silence: it ends the recovery of a WAL at the first frame that does not fit.
/// https://www.sqlite.org/fileformat2.html#the_write_ahead_log
enum WALInspection {
    /// True when commits that the database's ``CommitMark`` knows are not in its WAL any more.
    ///
    /// The WAL must not be written to meanwhile. It is read once; checkpoints keep it short.
    static func hasLostCommits(database path: String) -> Bool {
        guard let mark = CommitMark.Content(of: path), mark.frames > 0 else { return false }
        let descriptor = open(path + "-wal", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return errno == ENOENT }
        defer { close(descriptor) }
        func read(_ buffer: inout [UInt8], at offset: Int) -> Bool {
            buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, off_t(offset)) == $0.count }
        }
        var header = [UInt8](repeating: 0, count: headerSize)
        guard read(&header, at: 0), word(header, 0) & ~1 == 0x377f_0682 else { return true }
        var sums = Checksum(isBigEndian: word(header, 0) & 1 == 1)
        sums.add(header, 0..<24)
        guard word(header, 24) == sums.first, word(header, 28) == sums.second else { return true }
        // It has started again after the mark was written, which it does only when all of it is in the database.
        guard salts(header) == mark.salts else { return false }
        var frame = [UInt8](repeating: 0, count: SpoolSchema.frameSize)
        for index in 0..<mark.frames {
            guard read(&frame, at: headerSize + index * SpoolSchema.frameSize), frame[8..<16] == header[16..<24]
            else { return true }
            sums.add(frame, 0..<8)
            sums.add(frame, 24..<frame.count)
            guard word(frame, 16) == sums.first, word(frame, 20) == sums.second else { return true }
        }
        return false
    }

    /// The two salts of a WAL, nil when it has no header.
    static func salts(path: String) -> UInt64? {
        guard let header = SpoolFile.head(of: path, count: headerSize), word(header, 0) & ~1 == 0x377f_0682
        else { return nil }
        return salts(header)
    }

    private static let headerSize = 32

    private static func salts(_ header: [UInt8]) -> UInt64 { UInt64(word(header, 16)) << 32 | UInt64(word(header, 20)) }

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
