import HTTPTransport
import Synchronization
import Testing

/// libcurl signs; here the signature is computed a second time, from what arrived.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
@Suite struct SignatureTests {
    @Test func `SHA-256 is that of FIPS 180-2`() {
        #expect(
            BodyDigest.sha256Hex(Array("abc".utf8))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            BodyDigest.sha256Hex([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    }

    @Test(arguments: ["/_bulk", "/a%20b/_bulk?filter_path=errors%2Citems&timeout=1m"])
    func `a signature is the one that AWS computes from the request`(target: String) throws {
        let seen = Mutex<[String: String]>([:])
        let server = try HTTPServerThread(name: "signed") { request, responder in
            let pairs = request.headers.map { ($0.name.lowercased(), $0.value) }
            seen.withLock { $0 = Dictionary(pairs, uniquingKeysWith: { first, _ in first }) }
            responder.respond(status: 200)
        }
        defer { server.stop() }
        let body = Array("{\"create\":{}}\n{}\n".utf8)
        _ = try HTTPClient().perform(
            HTTPRequest(
                method: "POST", url: "http://127.0.0.1:\(server.port)\(target)",
                headers: [HTTPHeader("Content-Type", "application/x-ndjson")], body: body,
                authentication: .awsSigV4(
                    service: "es", region: "eu-west-1", accessKey: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI",
                    sessionToken: "token/with+signs=="),
                proxy: .never))
        let fields = seen.withLock { $0 }
        #expect(fields["x-amz-security-token"] == "token/with+signs==")
        #expect(fields["x-amz-content-sha256"] == BodyDigest.sha256Hex(body))
        let date = try #require(fields["x-amz-date"])
        let authorization = try #require(fields["authorization"])
        let signed = try #require(
            authorization.split(separator: ", ").first { $0.hasPrefix("SignedHeaders=") }?.dropFirst(14))
        for name in ["host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] {
            #expect(signed.split(separator: ";").contains(Substring(name)))
        }
        let parts = target.split(separator: "?", omittingEmptySubsequences: false)
        let canonical =
            "POST\n\(parts[0])\n\(parts.count > 1 ? parts[1] : "")\n"
            + signed.split(separator: ";").map { "\($0):\(fields[String($0)] ?? "")\n" }.joined()
            + "\n\(signed)\n\(BodyDigest.sha256Hex(body))"
        let day = String(date.prefix(8))
        let scope = "\(day)/eu-west-1/es/aws4_request"
        let text = "AWS4-HMAC-SHA256\n\(date)\n\(scope)\n\(BodyDigest.sha256Hex(Array(canonical.utf8)))"
        var key = Array("AWS4wJalrXUtnFEMI".utf8)
        for part in [day, "eu-west-1", "es", "aws4_request", text] { key = Self.hmac(key, Array(part.utf8)) }
        let signature = key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(
            authorization
                == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\(scope), SignedHeaders=\(signed), Signature=\(signature)")
    }

    /// RFC 2104, for keys up to 64 bytes.
    private static func hmac(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        let padded = key + [UInt8](repeating: 0, count: 64 - key.count)
        let inner = BodyDigest.sha256(padded.map { $0 ^ 0x36 } + message)
        return BodyDigest.sha256(padded.map { $0 ^ 0x5C } + inner)
    }
}

@Suite struct RequestURLTests {
    @Test(arguments: [
        ("http://127.0.0.1:9001/", true), ("http://127.9.9.9/", true), ("http://169.254.100.1:9001", true),
        ("http://localhost/", true), ("http://LOCALHOST/", true), ("http://[::1]:80/", true),
        ("http://[fe80::1]/", true), ("http://sandbox.localdomain:4579", true), ("http://10.0.0.1/", false),
        ("http://[2001:db8::1]/", false), ("http://[::2]/", false), ("http://127.example.com/", false),
        ("https://search.eu-west-1.es.amazonaws.com/", false), ("http://1270.0.0.1.example/", false),
    ])
    func `loopback and link-local hosts are told from others`(url: String, isLocal: Bool) throws {
        #expect(try #require(RequestURL(url)).isLocal == isLocal)
    }

    @Test func `a readable SSL_CERT_FILE comes before the known bundles`() {
        let all = { (_: String) in true }
        #expect(TrustStore.locate(environment: "/x.pem", isReadable: all) == "/x.pem")
        #expect(TrustStore.locate(environment: nil, isReadable: all) == "/etc/pki/tls/certs/ca-bundle.crt")
        let third = { (path: String) in path == "/etc/ssl/cert.pem" }
        #expect(TrustStore.locate(environment: "/x.pem", isReadable: third) == "/etc/ssl/cert.pem")
        #expect(TrustStore.locate(environment: "", isReadable: { _ in false }) == nil)
    }
}
