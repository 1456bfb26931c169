/// The labels in a push path, or why there are none.
enum GroupingKey {
    enum Reading: Equatable {
        case labels([String: String])
        /// Not a push path.
        case notFound
        case improper(String)
    }

    static func read(_ path: String) -> Reading {
        // Decoded before it is split: a slash cannot be sent, not even as %2F.
        var decoded = FaultyServer.percentDecoded(path)
        guard decoded.hasPrefix("/metrics/") else { return .notFound }
        decoded.removeFirst("/metrics/".count)
        var parts = decoded.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        // `/metrics/job/x/` is `/metrics/job/x`; behind a label it would be an empty value.
        if parts.count == 3, parts.last == "" { parts.removeLast() }
        guard parts.count >= 2, parts[0] == "job" || parts[0] == "job@base64" else { return .notFound }
        var job = parts[1]
        if parts[0] == "job@base64" {
            guard let bytes = Base64.decodeURLSafe(job) else {
                return .improper("invalid base64 encoding in job name \"\(job)\": illegal base64 data")
            }
            job = String(decoding: bytes, as: UTF8.self)
        }
        guard !job.isEmpty else { return .improper("job name is required") }
        let rest = Array(parts.dropFirst(2))
        guard rest.count % 2 == 0 else {
            return .improper("odd number of components in label string \"/\(rest.joined(separator: "/"))\"")
        }
        var labels: [String: String] = [:]
        for index in stride(from: 0, to: rest.count, by: 2) {
            let isBase64 = rest[index].hasSuffix("@base64")
            let name = isBase64 ? String(rest[index].dropLast("@base64".count)) : rest[index]
            guard isLabelName(name) else { return .improper("improper label name \"\(name)\"") }
            if isBase64 {
                guard let bytes = Base64.decodeURLSafe(rest[index + 1]) else {
                    return .improper(
                        "invalid base64 encoding for label \(name)=\"\(rest[index + 1])\": illegal base64 data")
                }
                labels[name] = String(decoding: bytes, as: UTF8.self)
            } else {
                labels[name] = rest[index + 1]
            }
        }
        labels["job"] = job
        return .labels(labels)
    }

    private static func isLabelName(_ name: String) -> Bool {
        guard !name.hasPrefix("__"), let first = name.utf8.first, !(0x30...0x39 ~= first) else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), 0x30...0x39,
                UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }
}
