import CCurl
import Glibc

/// The parts of a URL that decide about proxy, trust store and `Host`.
package struct RequestURL {
    let scheme: String
    /// Without the brackets of an IPv6 literal.
    let host: String
    /// Only when the URL names one.
    let port: String?
    let hostField: String

    /// Nil when libcurl cannot read it or it is neither http nor https.
    package init?(_ text: String) {
        guard let handle = curl_url() else { return nil }
        defer { curl_url_cleanup(handle) }
        guard curl_url_set(handle, CURLUPART_URL, text, 0) == CURLUE_OK,
            let scheme = Self.part(CURLUPART_SCHEME, of: handle)?.lowercased(), scheme == "http" || scheme == "https",
            let host = Self.part(CURLUPART_HOST, of: handle)
        else { return nil }
        self.scheme = scheme
        let port = Self.part(CURLUPART_PORT, of: handle)
        self.port = port
        hostField = port.map { "\(host):\($0)" } ?? host
        self.host = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
    }

    private static func part(_ part: CURLUPart, of handle: OpaquePointer) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(handle, part, &text, 0) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }

    /// Loopback and link-local hosts are the machine itself or the Lambda environment's own services: no proxy reaches
    /// them.
    package var isLocal: Bool {
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 { return Self.isLocal(UInt32(bigEndian: four.s_addr)) }
        var six = in6_addr()
        if inet_pton(AF_INET6, host, &six) == 1 {
            let bytes = withUnsafeBytes(of: six) { Array($0) }
            return bytes == [UInt8](repeating: 0, count: 15) + [1] || (bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80)
        }
        let name = host.lowercased()
        return name == "localhost" || name.hasSuffix(".localhost") || name.hasSuffix(".localdomain")
    }

    /// 127.0.0.0/8 and 169.254.0.0/16.
    private static func isLocal(_ address: UInt32) -> Bool {
        address >> 24 == 127 || address >> 16 == 169 << 8 | 254
    }
}
