import TelemetryModel

/// The digest by which a repeated body is recognised: a chain over its elements, so that the digest of a body's first n
/// elements is known as well. What stands between elements does not count.
struct BodyDigest {
    private(set) var value = Digest128(high: 0, low: 0)

    /// A body with parts that are not whole has no elements to chain.
    init(unreadable body: UnsafeRawBufferPointer) {
        add(Digest128(of: body))
        value = Digest128(high: ~value.high, low: value.low)
    }

    init() {}

    @inline(__always)
    mutating func add(_ element: Digest128) {
        let high = (value.high << 27 | value.high >> 37) &+ value.low
        let low = (value.low << 31 | value.low >> 33) &+ high
        value = Digest128(
            high: high &* 0x87c3_7b91_1142_53d5 ^ element.high, low: low &* 0x4cf5_ad43_2745_937f ^ element.low)
    }
}
