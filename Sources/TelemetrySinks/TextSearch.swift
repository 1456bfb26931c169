extension String {
    /// Whether `text`, not empty, occurs in this one, byte for byte.
    ///
    /// The standard library's own search brings a regular-expression engine along, which the layer's binary does without.
    func holds(_ text: String) -> Bool {
        let needle = Array(text.utf8)
        guard let first = needle.first else { return false }
        var rest = utf8[...]
        while let start = rest.firstIndex(of: first) {
            rest = rest[start...]
            if rest.starts(with: needle) { return true }
            rest = rest.dropFirst()
        }
        return false
    }
}
