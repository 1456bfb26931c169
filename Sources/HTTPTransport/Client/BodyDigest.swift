import CCurl

/// SHA-256 for request signatures, from the libcrypto under libcurl.
package enum BodyDigest {
    /// 32 bytes.
    package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { space, count in
            bytes.withUnsafeBytes { ccurl_sha256($0.baseAddress, $0.count, space.baseAddress) }
            count = 32
        }
    }

    package static func sha256Hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: sha256(bytes).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
