import Foundation
import JSON

/// Foundation's parser, as the judge of what is JSON.
enum Oracle {
    /// True when Foundation takes the bytes as one value.
    static func accepts(_ bytes: [UInt8]) -> Bool {
        (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
    }

    static func elements(of bytes: [UInt8]) -> Int? {
        ((try? JSONSerialization.jsonObject(with: Data(bytes))) as? [Any])?.count
    }

    /// True when our scanner takes the bytes as one value that needs no repair.
    static func isStrict(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var scanner = JSONScanner(buffer)
            guard case .complete = scanner.scanValue(), scanner.nextToken() == nil else { return false }
            return scanner.repairs.isStrict
        }
    }

    /// False where Foundation is known to read something else than RFC 8259: it guesses UTF-16 and UTF-32, takes a comma
    /// before a closing bracket, refuses lone surrogates, `0e5`, numbers beyond a double and more than 512 levels.
    static func isCompetent(_ bytes: [UInt8]) -> Bool {
        guard String(validating: bytes, as: UTF8.self) != nil, !bytes.prefix(4).contains(0),
            !bytes.starts(with: [0xef, 0xbb, 0xbf])
        else { return false }
        var lexer = Lexer(bytes: bytes)
        return lexer.finds()
    }

    private struct Lexer {
        let bytes: [UInt8]
        var index = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        private func at(_ index: Int) -> UInt8 { index < bytes.count ? bytes[index] : 0 }

        mutating func finds() -> Bool {
            var depth = 0
            var afterComma = false
            while index < bytes.count {
                let byte = bytes[index]
                index += 1
                switch byte {
                case UInt8(ascii: "\""): guard string() else { return false }
                case UInt8(ascii: "["), UInt8(ascii: "{"):
                    depth += 1
                    if depth > 500 { return false }
                case UInt8(ascii: "]"), UInt8(ascii: "}"):
                    if afterComma { return false }
                    depth -= 1
                case UInt8(ascii: "0")...UInt8(ascii: "9"): guard number() else { return false }
                case 0x20, 0x09, 0x0a, 0x0d: continue
                default: break
                }
                afterComma = byte == UInt8(ascii: ",")
            }
            return true
        }

        private mutating func number() -> Bool {
            let start = index
            while true {
                let byte = at(index)
                if byte | 0x20 == UInt8(ascii: "e") { return false }
                guard byte == UInt8(ascii: ".") || (0x30...0x39).contains(byte) else { return index - start < 300 }
                index += 1
            }
        }

        private mutating func string() -> Bool {
            while index < bytes.count {
                let byte = bytes[index]
                index += 1
                if byte == UInt8(ascii: "\"") { return true }
                guard byte == UInt8(ascii: "\\") else { continue }
                let isUnicode = at(index) == UInt8(ascii: "u")
                index += 1
                guard isUnicode, let unit = unit(), unit & 0xf800 == 0xd800 else { continue }
                guard unit < 0xdc00, at(index) == UInt8(ascii: "\\"), at(index + 1) == UInt8(ascii: "u") else {
                    return false
                }
                index += 2
                guard let low = self.unit(), low & 0xfc00 == 0xdc00 else { return false }
            }
            return true
        }

        private mutating func unit() -> Int? {
            guard index + 4 <= bytes.count else { return nil }
            defer { index += 4 }
            return Int(String(decoding: bytes[index..<index + 4], as: UTF8.self), radix: 16)
        }
    }
}
