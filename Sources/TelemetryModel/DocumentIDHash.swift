/// A 64-bit hash of a document's `_id`. Chunks keep the sum of their ids' hashes, so that an answer that confirms every
/// item can be matched by `_id` without inflating what was sent.
///
/// FNV-1a with a final avalanche: a plain FNV sum would let neighbouring ids cancel each other out.
///
/// What is `package` is never inlined into other modules: they add bytes together where they can.
package struct DocumentIDHash: Sendable {
    private var state: UInt64 = 0xcbf2_9ce4_8422_2325

    package init() {}

    @inline(__always)
    package mutating func add(_ byte: UInt8) {
        state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
    }

    package mutating func add(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes { add(byte) }
    }

    package var value: UInt64 {
        var k = state
        k = (k ^ k >> 33) &* 0xff51_afd7_ed55_8ccd
        return k ^ k >> 33
    }

    package static func hash(of id: some Sequence<UInt8>) -> UInt64 {
        var hash = DocumentIDHash()
        for byte in id { hash.add(byte) }
        return hash.value
    }
}
