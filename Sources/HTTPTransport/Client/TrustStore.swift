import Glibc

/// Where the certificates of the authorities lie. The static libcurl has no path compiled in.
package enum TrustStore {
    /// Amazon Linux, Debian, Alpine, Fedora, SUSE.
    private static let knownBundles = [
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/ssl/cert.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/ca-bundle.pem",
    ]

    /// Looked up once, at the first https request. `nil`: libcurl's own default.
    static let bundle: String? = locate(
        environment: getenv("SSL_CERT_FILE").map { String(cString: $0) },
        isReadable: { access($0, R_OK) == 0 })

    package static func locate(environment: String?, isReadable: (String) -> Bool) -> String? {
        if let environment, !environment.isEmpty, isReadable(environment) { return environment }
        return knownBundles.first(where: isReadable)
    }
}
