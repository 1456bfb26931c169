/// For what is not JSON: the end that its brackets and quotes suggest.
extension JSONScanner {
    /// The index behind the value that begins at `start`, by brackets and strings alone: an array or object ends where
    /// as many brackets of either kind are closed as opened; anything else before the next comma or closing bracket. Nil
    /// when the bytes end first. Looks at no byte from `limit` on.
    package func balancedEnd(from start: Int, limit: Int) -> Int? {
        var scanner = JSONScanner(UnsafeRawBufferPointer(rebasing: bytes[..<min(limit, bytes.count)]), from: start)
        return scanner.balance()
    }

    private mutating func balance() -> Int? {
        var depth = 0
        while position < bytes.count {
            switch bytes[position] {
            case JSONBytes.quote:
                position &+= 1
                var hasEscapes = false
                guard skipString(hasEscapes: &hasEscapes) else { return nil }
                continue
            case JSONBytes.openBrace, JSONBytes.openBracket:
                depth &+= 1
            case JSONBytes.closeBrace, JSONBytes.closeBracket:
                if depth == 0 { return position }
                depth &-= 1
                if depth == 0 { return position &+ 1 }
            case JSONBytes.comma where depth == 0:
                return position
            default: break
            }
            position &+= 1
        }
        return nil
    }
}
