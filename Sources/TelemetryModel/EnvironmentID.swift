/// The id of one execution environment: the prefix of every document `_id` made in it, `faas.instance` in its documents,
/// and `instance` in its PushGateway group.
///
/// 16 characters of `0-9a-z` without `ilou` (80 random bits), so that it needs no escaping in a URL, a label or JSON.
package struct EnvironmentID: Hashable, Sendable, CustomStringConvertible {
    package let text: String

    /// Nil unless `text` is exactly 16 characters of the alphabet.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 16, bytes.allSatisfy(Self.alphabet.contains) else { return nil }
        self.text = text
    }

    /// Draws an id. Under SnapStart call this only after the restore: the kernel's pool is reseeded there, state of our
    /// own would be equal in every copy.
    package init(using generator: inout some RandomNumberGenerator) {
        let bits = (generator.next(), generator.next())
        var bytes: [UInt8] = []
        for index in 0..<16 {
            let word = index < 8 ? bits.0 : bits.1
            bytes.append(Self.alphabet[Int(truncatingIfNeeded: word >> UInt64(5 * (index % 8))) & 31])
        }
        self.text = String(decoding: bytes, as: UTF8.self)
    }

    package var description: String { text }

    private static let alphabet: [UInt8] = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
}
