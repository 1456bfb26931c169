/// Makes raw deflate of one piece after the other, each closed with a full flush: byte-aligned, and what follows refers to
/// nothing before it.
protocol Compressor: AnyObject {
    /// What is best given to ``take(_:)`` at once, in bytes.
    static var pieceSize: Int { get }

    /// Forgets everything.
    func reset() throws(DeflateError)

    /// The piece to be deflated. It must stay where it is until ``fill(_:)`` has returned less than it could.
    func take(_ piece: UnsafeRawBufferPointer)

    /// - Returns: how many bytes were written; as many as fit when there may be more.
    func fill(_ output: UnsafeMutableBufferPointer<UInt8>) throws(DeflateError) -> Int
}
