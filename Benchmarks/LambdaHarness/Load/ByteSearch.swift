import Glibc

/// Plain searches in raw bytes; the generic ones of the libraries cost more than what is measured here.
extension UnsafeRawBufferPointer {
    /// The offset of the first `needle` at or after `start`.
    func offset(of needle: StaticString, from start: Int = 0) -> Int? {
        guard start < count, let base = baseAddress,
            let found = memmem(base + start, count - start, needle.utf8Start, needle.utf8CodeUnitCount)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// The offset of the first `byte` at or after `start`.
    func offset(of byte: UInt8, from start: Int) -> Int? {
        guard start < count, let base = baseAddress, let found = memchr(base + start, Int32(byte), count - start) else {
            return nil
        }
        return UnsafeRawPointer(found) - base
    }
}
