import CISAL
import CZlib

/// The CRC-32 of gzip and zlib.
package enum CRC32 {
    /// By ISA-L, with the processor's carry-less multiplication: several times as fast as zlib's.
    package static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard let base = bytes.baseAddress else { return 0 }
        return crc32_gzip_refl(0, base.assumingMemoryBound(to: UInt8.self), UInt64(bytes.count))
    }

    /// The CRC of `a`'s bytes followed by `b`'s, from their CRCs alone.
    package static func combine(_ a: UInt32, _ b: UInt32, lengthOfB: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: crc32_combine(UInt(a), UInt(b), lengthOfB))
    }
}
