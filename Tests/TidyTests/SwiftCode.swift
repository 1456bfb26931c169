/// Swift source without what is no code: comments become blanks, string literals lose their text and keep their quotes and
/// the code of their interpolations. Line breaks stay.
struct SwiftCode: Sendable {
    let lines: [String]

    init(_ source: String) {
        var lexer = Lexer(bytes: Array(source.utf8))
        lexer.code(isInterpolation: false)
        lines = String(decoding: lexer.output, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init)
    }

    private struct Lexer {
        let bytes: [UInt8]
        var position = 0
        var output: [UInt8] = []

        init(bytes: [UInt8]) {
            self.bytes = bytes
            output.reserveCapacity(bytes.count)
        }

        private static let quote = UInt8(ascii: "\"")
        private static let hash = UInt8(ascii: "#")
        private static let newline = UInt8(ascii: "\n")

        private func starts(_ text: [UInt8]) -> Bool {
            position + text.count <= bytes.count && text.indices.allSatisfy { bytes[position + $0] == text[$0] }
        }

        private func starts(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Bool {
            position + 1 < bytes.count && bytes[position] == UInt8(ascii: first)
                && bytes[position + 1] == UInt8(ascii: second)
        }

        /// - Parameter isInterpolation: ends at the parenthesis that closes it, not at the end of the source.
        mutating func code(isInterpolation: Bool) {
            var depth = 0
            while position < bytes.count {
                let byte = bytes[position]
                if starts("/", "/") {
                    while position < bytes.count, bytes[position] != Self.newline { position += 1 }
                } else if starts("/", "*") {
                    blockComment()
                } else if byte == Self.quote || (byte == Self.hash && isRawString) {
                    string()
                } else {
                    if byte == UInt8(ascii: "(") { depth += 1 }
                    if byte == UInt8(ascii: ")") {
                        if isInterpolation, depth == 0 { return }
                        depth -= 1
                    }
                    output.append(byte)
                    position += 1
                }
            }
        }

        private mutating func blockComment() {
            var depth = 0
            repeat {
                if starts("/", "*") {
                    depth += 1
                    position += 2
                } else if starts("*", "/") {
                    depth -= 1
                    position += 2
                } else {
                    if bytes[position] == Self.newline { output.append(Self.newline) }
                    position += 1
                }
            } while depth > 0 && position < bytes.count
        }

        private var isRawString: Bool {
            bytes[position...].drop { $0 == Self.hash }.first == Self.quote
        }

        private mutating func string() {
            let hashes = Array(bytes[position...].prefix { $0 == Self.hash })
            position += hashes.count
            let quotes = [UInt8](repeating: Self.quote, count: starts([Self.quote, Self.quote, Self.quote]) ? 3 : 1)
            position += quotes.count
            let end = quotes + hashes
            let interpolation = Array("\\".utf8) + hashes + Array("(".utf8)
            output.append(Self.quote)
            while position < bytes.count, !starts(end) {
                if starts(interpolation) {
                    position += interpolation.count
                    output.append(contentsOf: " (".utf8)
                    code(isInterpolation: true)
                    output.append(UInt8(ascii: ")"))
                    position += 1
                } else if hashes.isEmpty, bytes[position] == UInt8(ascii: "\\") {
                    position += 2
                } else {
                    if bytes[position] == Self.newline { output.append(Self.newline) }
                    position += 1
                }
            }
            position += end.count
            output.append(Self.quote)
        }
    }
}
