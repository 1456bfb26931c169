/// Why a ``JSONReader`` cannot go on. Positions are byte offsets from the start of what is read.
package enum JSONError: Error, Equatable, Sendable {
    /// The bytes end inside a value.
    case unfinished
    /// Not JSON.
    case invalid(at: Int)
    /// JSON, but not what the caller asked for here.
    case mismatch(at: Int)
    /// Nested deeper than the reader's bound.
    case tooDeep(at: Int)
}
