#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A mergeable summary of non-negative values: count, sum, extremes, and quantiles with a relative error of at most 1 %,
/// in at most 2 KiB of the spool.
///
/// Logarithmic buckets as in DDSketch (Masson, Rim, Lee, VLDB 2019): bucket i holds values in (γ^(i-1), γ^i] with
/// γ = (1 + α) / (1 - α). When the encoding would pass the bound, the lowest buckets are merged: the upper quantiles keep
/// their accuracy.
package struct QuantileSketch: Equatable, Sendable {
    package static let relativeError = 0.01
    /// Bytes of ``encoded()``, at most.
    package static let maximumEncodedSize = 2048

    package private(set) var count: UInt64 = 0
    package private(set) var sum: Double = 0
    package private(set) var minimum: Double = 0
    package private(set) var maximum: Double = 0
    /// Values too small for a bucket (below 10⁻⁹: less than a nanosecond or a byte).
    private var zeros: UInt64 = 0
    private var firstBucket: Int = 0
    private var buckets: [UInt64] = []

    private static let gamma = (1 + relativeError) / (1 - relativeError)
    private static let logGamma = log(gamma)
    private static let smallest = 1e-9
    private static let slack = 64

    package init() {}

    /// Ignores a value that is not finite or below 0: the caller counts those.
    package mutating func observe(_ value: Double) {
        guard value.isFinite, value >= 0 else { return }
        minimum = count == 0 ? value : min(minimum, value)
        maximum = count == 0 ? value : max(maximum, value)
        count += 1
        sum += value
        guard value >= Self.smallest else {
            zeros += 1
            return
        }
        let width = buckets.count
        let bucket = Int((log(value) / Self.logGamma).rounded(.up))
        if buckets.isEmpty {
            firstBucket = bucket
            buckets = [1]
        } else if bucket < firstBucket {
            guard bucketsFit(firstBucket - bucket + buckets.count) else {
                buckets[0] += 1
                return
            }
            buckets.insert(contentsOf: repeatElement(0, count: firstBucket - bucket), at: 0)
            firstBucket = bucket
            buckets[0] += 1
        } else {
            var index = bucket - firstBucket
            if !bucketsFit(index + 1) {
                mergeLowest(index + 1 - Self.maximumBuckets)
                index = min(bucket - firstBucket, Self.maximumBuckets - 1)
                if bucket - firstBucket > index { firstBucket = bucket - index }
            }
            if index >= buckets.count { buckets.append(contentsOf: repeatElement(0, count: index - buckets.count + 1)) }
            buckets[index] += 1
        }
        // Between two looks 32 counts may need a byte more each; the slack covers it.
        if buckets.count > 256, buckets.count > width || count % 32 == 0 { collapse() }
    }

    /// The nearest-rank quantile, NaN without observations. `q` in 0…1.
    package func quantile(_ q: Double) -> Double {
        guard count > 0 else { return .nan }
        let rank = UInt64(max(1, (q * Double(count)).rounded(.up)))
        if rank >= count { return maximum }
        var seen = zeros
        if rank <= seen { return minimum }
        for (index, held) in buckets.enumerated() {
            seen += held
            if rank <= seen {
                let upper = exp(Double(firstBucket + index) * Self.logGamma)
                return min(max(2 * upper / (Self.gamma + 1), minimum), maximum)
            }
        }
        return maximum
    }

    private static let maximumBuckets = 16_384
    private func bucketsFit(_ bucketCount: Int) -> Bool { bucketCount <= Self.maximumBuckets }

    /// The lowest buckets become one, at most all of them.
    private mutating func mergeLowest(_ count: Int) {
        let merged = min(count, buckets.count - 1)
        guard merged > 0 else { return }
        let low = buckets[0...merged].reduce(0, +)
        buckets.removeFirst(merged)
        firstBucket += merged
        buckets[0] = low
    }

    private mutating func collapse() {
        while encoded().count > Self.maximumEncodedSize - Self.slack, buckets.count > 1 {
            let merged = max(1, buckets.count / 64)
            mergeLowest(merged)
        }
    }

    /// Version byte, varints, then the buckets: 0 is an empty one, 1 and a length are a run of empty ones, anything else
    /// is a count plus 1.
    package func encoded() -> [UInt8] {
        var bytes: [UInt8] = [1]
        func varint(_ value: UInt64) {
            var rest = value
            while rest >= 0x80 {
                bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            bytes.append(UInt8(rest))
        }
        for value in [sum, minimum, maximum] {
            withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
        }
        varint(count)
        varint(zeros)
        varint(UInt64(bitPattern: Int64(firstBucket) << 1 ^ Int64(firstBucket) >> 63))
        varint(UInt64(buckets.count))
        var index = 0
        while index < buckets.count {
            var end = index
            while end < buckets.count, buckets[end] == 0 { end += 1 }
            switch end - index {
            case 0:
                varint(buckets[index] &+ 1)
                index += 1
            case 1:
                varint(0)
                index = end
            default:
                varint(1)
                varint(UInt64(end - index))
                index = end
            }
        }
        return bytes
    }

    /// Nil when the bytes are not an encoding of this version.
    package init?(encoded bytes: [UInt8]) {
        var position = 1
        func varint() -> UInt64? {
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while position < bytes.count, shift < 64 {
                let byte = bytes[position]
                position += 1
                value |= UInt64(byte & 0x7f) << shift
                if byte & 0x80 == 0 { return value }
                shift += 7
            }
            return nil
        }
        guard bytes.count >= 25, bytes[0] == 1 else { return nil }
        var doubles: [Double] = []
        for _ in 0..<3 {
            let pattern = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[position + $1]) << UInt64(8 * $1) }
            doubles.append(Double(bitPattern: pattern))
            position += 8
        }
        guard let count = varint(), let zeros = varint(), let first = varint(), let length = varint(),
            length <= 32_768
        else { return nil }
        var buckets: [UInt64] = []
        while buckets.count < Int(length) {
            guard let value = varint() else { return nil }
            if value == 1 {
                guard let run = varint(), run > 0, run <= length - UInt64(buckets.count) else { return nil }
                buckets.append(contentsOf: repeatElement(0, count: Int(run)))
            } else {
                buckets.append(value == 0 ? 0 : value - 1)
            }
        }
        guard position == bytes.count else { return nil }
        let lowest = Int64(bitPattern: first >> 1) ^ -Int64(bitPattern: first & 1)
        guard abs(lowest) < 1 << 20 else { return nil }
        self.sum = doubles[0]
        self.minimum = doubles[1]
        self.maximum = doubles[2]
        self.count = count
        self.zeros = zeros
        self.firstBucket = Int(lowest)
        self.buckets = buckets
    }
}
