import CZlib

/// The way back, and gzip for the few bodies that are no chunks.
package enum Inflater {
    /// No deflate stream inflates to more than this many times its size (zlib's technical notes: 1032).
    private static let highestRatio = 1_032
    private static let step = 64 * 1024

    /// Inflates stored pieces (raw deflate without a final block) that hold exactly `length` bytes.
    package static func inflate(stored: [UInt8], length: Int) throws(DeflateError) -> [UInt8] {
        guard length >= 0, length / highestRatio <= stored.count + 64 else { throw .length }
        let inflated = try run(stored, limit: length, start: permafrost_inflate_init) { stream, code in
            if code == Z_STREAM_END { return .corrupt }
            return stream.avail_in == 0 ? .end : .more
        }
        guard inflated.count == length else { throw .length }
        return inflated
    }

    /// Inflates one or more gzip members; `limit` bounds the result in bytes.
    package static func gunzip(_ bytes: [UInt8], limit: Int) throws(DeflateError) -> [UInt8] {
        try run(bytes, limit: limit, start: permafrost_gunzip_init) { stream, code in
            guard code == Z_STREAM_END else { return .more }
            return stream.avail_in == 0 ? .end : .nextMember
        }
    }

    /// As a server reads that does not notice a cut: a stream that ends early gives what it held so far. What is wrong
    /// before its end is refused as in ``gunzip(_:limit:)``.
    package static func gunzipUnfinished(_ bytes: [UInt8], limit: Int) throws(DeflateError) -> [UInt8] {
        try run(bytes, limit: limit, start: permafrost_gunzip_init) { stream, code in
            if stream.avail_in == 0 { return .end }
            return code == Z_STREAM_END ? .nextMember : .more
        }
    }

    /// One gzip member. `level` 0…9.
    package static func gzip(_ bytes: [UInt8], level: Int) throws(DeflateError) -> [UInt8] {
        guard (0...9).contains(level) else { throw .level(level) }
        guard bytes.count < 1 << 31 else { throw .tooLarge }
        let stream = makeStream()
        defer { stream.deallocate() }
        guard permafrost_gzip_init(stream, Int32(level)) == Z_OK else { throw .outOfMemory }
        defer { deflateEnd(stream) }
        let bound = Int(deflateBound(stream, UInt(bytes.count)))
        var code = Z_OK
        let result = bytes.withUnsafeBufferPointer { input in
            [UInt8](unsafeUninitializedCapacity: bound) { output, count in
                stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                stream.pointee.avail_in = UInt32(input.count)
                stream.pointee.next_out = output.baseAddress
                stream.pointee.avail_out = UInt32(bound)
                code = deflate(stream, Z_FINISH)
                count = bound - Int(stream.pointee.avail_out)
            }
        }
        guard code == Z_STREAM_END else { throw .internal("deflate") }
        return result
    }

    private enum Step { case more, nextMember, end, corrupt }

    /// On the heap: zlib's state points back at the stream, so it must not move.
    private static func makeStream() -> UnsafeMutablePointer<z_stream> {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        return stream
    }

    /// Inflates step by step, so that a small body that claims to be large costs only what it holds.
    private static func run(
        _ bytes: [UInt8], limit: Int, start: (UnsafeMutablePointer<z_stream>) -> Int32,
        next: (z_stream, Int32) -> Step
    ) throws(DeflateError) -> [UInt8] {
        guard bytes.count < 1 << 31 else { throw .tooLarge }
        let stream = makeStream()
        defer { stream.deallocate() }
        guard start(stream) == Z_OK else { throw .outOfMemory }
        defer { inflateEnd(stream) }
        let outcome: Result<[UInt8], DeflateError> = bytes.withUnsafeBufferPointer { input in
            stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            stream.pointee.avail_in = UInt32(input.count)
            var result: [UInt8] = []
            let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: step)
            defer { buffer.deallocate() }
            while true {
                stream.pointee.next_out = buffer
                stream.pointee.avail_out = UInt32(step)
                let code = CZlib.inflate(stream, Z_SYNC_FLUSH)
                let made = step - Int(stream.pointee.avail_out)
                result.append(contentsOf: UnsafeBufferPointer(start: buffer, count: made))
                if result.count > limit { return .failure(.tooLarge) }
                switch code {
                case Z_OK, Z_STREAM_END: break
                case Z_BUF_ERROR where made == 0 && stream.pointee.avail_in == 0: break
                case Z_MEM_ERROR: return .failure(.outOfMemory)
                default: return .failure(.corrupt)
                }
                // A full buffer may hide more output.
                if code == Z_OK, stream.pointee.avail_out == 0 { continue }
                switch next(stream.pointee, code) {
                case .end: return .success(result)
                case .corrupt: return .failure(.corrupt)
                case .nextMember:
                    guard inflateReset(stream) == Z_OK else { return .failure(.internal("inflateReset")) }
                case .more: if stream.pointee.avail_in == 0 { return .failure(.corrupt) }
                }
            }
        }
        return try outcome.get()
    }
}
