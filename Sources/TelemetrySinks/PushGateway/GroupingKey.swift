/// The grouping key of one environment at a PushGateway: `job` is the function, `instance` the environment.
package struct GroupingKey: Hashable, Sendable {
    package var job: String
    package var instance: String

    package init(job: String, instance: String) {
        self.job = job
        self.instance = instance
    }

    /// The path below the base URL. A value with a byte outside `A-Za-z0-9-._~`, or an empty one, goes as URL-safe
    /// base64 under `name@base64`: a `/` cannot be sent in any other way, not even percent-encoded.
    package func url(at endpoint: Endpoint) -> String {
        endpoint.url(path: ["metrics"] + Self.segments("job", job) + Self.segments("instance", instance))
    }

    private static func segments(_ label: String, _ value: String) -> [String] {
        // "." and ".." are plain bytes, but a client resolves them before it sends.
        guard !value.isEmpty, value != ".", value != "..", value.utf8.allSatisfy(PercentEncoding.isUnreserved) else {
            return ["\(label)@base64", value.isEmpty ? "=" : base64(Array(value.utf8))]
        }
        return [label, value]
    }

    /// RFC 4648 §5 without padding.
    static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var result: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for digit in 0...group.count { result.append(alphabet[Int(bits >> UInt32(18 - 6 * digit) & 63)]) }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
