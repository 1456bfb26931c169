/// The base URL of a back end, taken apart once: credentials aside, the rest in canonical form.
///
/// Nothing that prints an endpoint shows the user-info that the URL held.
package struct Endpoint: Equatable, Sendable, CustomStringConvertible {
    package enum Scheme: String, Sendable {
        case http, https
    }

    /// What the URL may look like.
    package enum Form: Sendable {
        /// `http(s)://[user:password@]host[:port][/prefix]`
        case url
        /// The same, or a bare `host[:port][/prefix]`, which means http.
        case urlOrHost
    }

    package let scheme: Scheme
    /// Lower case; an IPv6 address stands in brackets.
    package let host: String
    /// 1…65535, nil for the scheme's own.
    package let port: Int?
    /// Empty, or percent-encoded segments with a leading and without a trailing slash.
    package let pathPrefix: String
    /// From the user-info, percent-decoded; nil without one.
    package let user: String?
    package let password: Secret?

    package init(parsing text: String, form: Form = .url) throws(EndpointError) {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty else { throw .empty }
        guard bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else { throw .blankOrControlCharacter }
        var rest = bytes[...]
        if let separator = Self.find(Array("://".utf8), in: rest) {
            switch String(decoding: rest[..<separator], as: UTF8.self).lowercased() {
            case "http": scheme = .http
            case "https": scheme = .https
            default: throw .unsupportedScheme
            }
            rest = rest[(separator + 3)...]
        } else {
            guard case .urlOrHost = form else { throw .noScheme }
            scheme = .http
        }
        guard !rest.contains(UInt8(ascii: "#")) else { throw .fragment }
        guard !rest.contains(UInt8(ascii: "?")) else { throw .query }
        let authorityEnd = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
        var authority = rest[..<authorityEnd]
        (user, password) = try Self.credentials(of: authority)
        if let at = authority.lastIndex(of: UInt8(ascii: "@")) { authority = authority[(at + 1)...] }
        (host, port) = try Self.hostAndPort(authority)
        pathPrefix = try Self.canonicalPath(rest[authorityEnd...])
    }

    /// `scheme://host[:port][prefix]`: safe to print.
    package var description: String {
        "\(scheme.rawValue)://\(host)\(port.map { ":\($0)" } ?? "")\(pathPrefix)"
    }

    /// A target below the base URL.
    ///
    /// - Parameters:
    ///   - path: Segments as they are meant, not encoded: a `/` in one does not make two.
    ///   - query: Names and values as they are meant. They are sorted by name.
    package func url(path: [String], query: [(name: String, value: String)] = []) -> String {
        var result = description
        for segment in path { result += "/" + PercentEncoding.encode(segment.utf8) }
        let pairs = query.map { (PercentEncoding.encode($0.name.utf8), PercentEncoding.encode($0.value.utf8)) }
            .sorted { $0 < $1 }
        for (index, pair) in pairs.enumerated() { result += "\(index == 0 ? "?" : "&")\(pair.0)=\(pair.1)" }
        return result
    }

    /// The AWS service and region that the host name tells, for requests signed with the function's own credentials:
    /// `<domain>.<region>.es.amazonaws.com` or `<collection>.<region>.aoss.amazonaws.com`.
    package var awsService: (service: String, region: String)? {
        var labels = host.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if labels.last == "cn" { labels.removeLast() }
        guard labels.count >= 5, Array(labels.suffix(2)) == ["amazonaws", "com"] else { return nil }
        let service = labels[labels.count - 3]
        let region = labels[labels.count - 4]
        guard service == "es" || service == "aoss", !region.isEmpty else { return nil }
        return (service, region)
    }

    private static func find(_ needle: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= needle.count else { return nil }
        return (bytes.startIndex...(bytes.endIndex - needle.count)).first {
            bytes[$0..<($0 + needle.count)].elementsEqual(needle)
        }
    }

    private static func credentials(
        of authority: ArraySlice<UInt8>
    ) throws(EndpointError) -> (user: String?, password: Secret?) {
        guard let at = authority.lastIndex(of: UInt8(ascii: "@")), at > authority.startIndex else { return (nil, nil) }
        let parts = authority[..<at].split(
            separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        var decoded: [String] = []
        for part in parts {
            guard let bytes = PercentEncoding.decode(part), let text = String(validating: bytes, as: UTF8.self),
                bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f })
            else { throw .userInfo }
            decoded.append(text)
        }
        return (decoded.first, decoded.count > 1 ? Secret(decoded[1]) : nil)
    }

    private static func hostAndPort(
        _ authority: ArraySlice<UInt8>
    ) throws(EndpointError) -> (host: String, port: Int?) {
        var hostEnd = authority.lastIndex(of: UInt8(ascii: ":")) ?? authority.endIndex
        if authority.first == UInt8(ascii: "[") {
            guard let bracket = authority.firstIndex(of: UInt8(ascii: "]")) else { throw .host }
            let address = authority[(authority.startIndex + 1)..<bracket]
            guard address.contains(UInt8(ascii: ":")), address.allSatisfy(isAddressByte) else { throw .host }
            hostEnd = bracket + 1
            guard hostEnd == authority.endIndex || authority[hostEnd] == UInt8(ascii: ":") else { throw .host }
        } else {
            guard authority.startIndex != hostEnd else { throw .emptyHost }
            guard authority[..<hostEnd].allSatisfy({ PercentEncoding.isUnreserved($0) && $0 != UInt8(ascii: "~") })
            else { throw .host }
        }
        let host = String(decoding: authority[..<hostEnd], as: UTF8.self).lowercased()
        guard hostEnd < authority.endIndex else { return (host, nil) }
        let digits = authority[(hostEnd + 1)...]
        guard (1...5).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = Int(String(decoding: digits, as: UTF8.self)), (1...65_535).contains(port)
        else { throw .port }
        return (host, port)
    }

    private static func isAddressByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: ":"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private static func canonicalPath(_ path: ArraySlice<UInt8>) throws(EndpointError) -> String {
        var result = ""
        for segment in path.split(separator: UInt8(ascii: "/")) {
            guard let decoded = PercentEncoding.decode(segment) else { throw .path }
            // A client resolves dot segments before it sends: the target would not be the one that was signed.
            guard decoded != [UInt8(ascii: ".")], decoded != Array("..".utf8) else { throw .path }
            result += "/" + PercentEncoding.encode(decoded)
        }
        return result
    }
}

/// What is wrong with a base URL. The descriptions never quote it: a URL that cannot be read may hold a password
/// anywhere.
package enum EndpointError: Error, Equatable, Sendable, CustomStringConvertible {
    case empty, blankOrControlCharacter, noScheme, unsupportedScheme, fragment, query, userInfo, emptyHost, host, port
    case path

    package var description: String {
        switch self {
        case .empty: "the URL is empty"
        case .blankOrControlCharacter: "the URL holds a blank or a control character"
        case .noScheme: "the URL does not begin with http:// or https://"
        case .unsupportedScheme: "the URL's scheme is neither http nor https"
        case .fragment: "the URL has a fragment (#); percent-encode the character if it belongs to a password"
        case .query: "the URL has a query (?); percent-encode the character if it belongs to a password"
        case .userInfo: "the URL's user-info is not valid percent-encoded UTF-8"
        case .emptyHost: "the URL has no host"
        case .host: "the URL's host holds a character that no host name or address has"
        case .port: "the URL's port is not a number from 1 to 65535"
        case .path: "the URL's path holds a broken percent-encoding or a dot segment"
        }
    }
}
