import CCurl

/// The parts of a URL that decide about proxy, trust store and `Host`.
struct RequestURL {
    let scheme: String
    /// Without the brackets of an IPv6 literal.
    let host: String
    /// Only when the URL names one.
    let port: String?
    let hostField: String

    /// Nil when libcurl cannot read it or it is neither http nor https.
    init?(_ text: String) {
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
    var isLocal: Bool {
        let name = host.lowercased()
        if name == "localhost" || name.hasSuffix(".localhost") || name.hasSuffix(".localdomain") { return true }
        if name.contains(":") {
            let words = name.split(separator: ":", omittingEmptySubsequences: true)
            let isLinkLocal = ["fe8", "fe9", "fea", "feb"].contains { name.hasPrefix($0) }
            return isLinkLocal || words.allSatisfy { $0 == "0" || $0 == "0000" || Int($0, radix: 16) == 1 }
                && words.last.flatMap { Int($0, radix: 16) } == 1
        }
        let octets = name.split(separator: ".", omittingEmptySubsequences: false)
        guard octets.count == 4, octets.allSatisfy({ UInt8($0) != nil }) else { return false }
        return octets[0] == "127" || (octets[0] == "169" && octets[1] == "254")
    }
}
