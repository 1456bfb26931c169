import Deflate
import Foundation
import LambdaSimulator

/// zlib's level 1 alone on the lines that the extension made, in pieces of one POST's lines, on the measured core.
struct ZlibReference {
    private let pieces: [[UInt8]]
    let byteCount: Int

    init(lines: Data, pieces count: Int) {
        let bytes = Array(lines)
        byteCount = bytes.count
        let size = max(1, bytes.count / max(1, count))
        var pieces: [[UInt8]] = []
        var start = 0
        while start < bytes.count {
            let wanted = min(bytes.count, start + size)
            let end = bytes[(wanted - 1)...].firstIndex(of: 0x0A).map { $0 + 1 } ?? bytes.count
            pieces.append(Array(bytes[start..<end]))
            start = end
        }
        self.pieces = pieces
    }

    func run() throws -> (cpuSeconds: Double, wallSeconds: Double) {
        try CPUSet.pinned(to: CPUSet.measuredCore) {
            let cpu = Clock.threadCPU()
            let wall = Clock.monotonic()
            for piece in pieces { _ = try Inflater.gzip(piece, level: 1) }
            return (
                (Clock.threadCPU() - cpu).nanosecondsAsSeconds, (Clock.monotonic() - wall).nanosecondsAsSeconds
            )
        }
    }
}
