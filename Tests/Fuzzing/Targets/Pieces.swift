/// How bytes arrive from a network: in pieces whose lengths a seed decides.
enum Pieces {
    /// The whole, byte by byte, and two ways in between.
    static func everyWay(_ bytes: [UInt8], seed: UInt8) -> [[ArraySlice<UInt8>]] {
        [
            [bytes[...]], cut(bytes) { 1 }, cut(bytes, seed: UInt64(seed), longest: 7),
            cut(bytes, seed: UInt64(seed) + 256, longest: 64),
        ]
    }

    static func cut(_ bytes: [UInt8], seed: UInt64, longest: UInt64) -> [ArraySlice<UInt8>] {
        var state = seed
        return cut(bytes) {
            // https://prng.di.unimi.it/splitmix64.c
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return Int((value ^ (value >> 31)) % longest) + 1
        }
    }

    private static func cut(_ bytes: [UInt8], _ length: () -> Int) -> [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + length())
            pieces.append(bytes[start..<end])
            start = end
        }
        return pieces
    }
}
