/// What can go wrong between bytes and their deflated form.
package enum DeflateError: Error, Equatable, Sendable {
    /// A compressor could not get memory.
    case outOfMemory
    /// A compression level outside 0…9.
    case level(Int)
    /// Not a deflate or gzip stream, cut off, or with a wrong trailer.
    case corrupt
    /// Inflated, it is not as long as it should be.
    case length
    /// Inflated, it is longer than the caller allows.
    case tooLarge
    /// A compressor returned what it should not.
    case `internal`(StaticString)

    package static func == (left: DeflateError, right: DeflateError) -> Bool {
        switch (left, right) {
        case (.outOfMemory, .outOfMemory), (.corrupt, .corrupt), (.length, .length), (.tooLarge, .tooLarge): true
        case (.level(let a), .level(let b)): a == b
        case (.internal(let a), .internal(let b)): a.description == b.description
        default: false
        }
    }
}
