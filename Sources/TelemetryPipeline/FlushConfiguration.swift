package import TelemetryModel
package import TelemetrySinks

/// What the flush thread needs to know of the configuration.
package struct FlushConfiguration: Sendable {
    package var openSearch: Endpoint?
    package var pushGateway: Endpoint?
    package var indices: IndexPatterns
    package var types: [TelemetryStream]
    package var indexSetup: IndexSetupMode
    /// Largest bulk request, uncompressed bytes.
    package var requestBytes: Int
    package var compressionLevel: Int
    package var metricPushInterval: Duration
    /// Zero: groups of gone environments are never removed.
    package var metricGroupTTL: Duration
    package var secretARN: String?
    package var credentials: AWSCredentialSource
    package var region: String?
    package var secretsManagerURL: String?

    package init(
        openSearch: Endpoint?, pushGateway: Endpoint?, indices: IndexPatterns, types: [TelemetryStream],
        indexSetup: IndexSetupMode, requestBytes: Int, compressionLevel: Int, metricPushInterval: Duration,
        metricGroupTTL: Duration, secretARN: String? = nil, credentials: AWSCredentialSource = .none,
        region: String? = nil, secretsManagerURL: String? = nil
    ) {
        self.openSearch = openSearch
        self.pushGateway = pushGateway
        self.indices = indices
        self.types = types
        self.indexSetup = indexSetup
        self.requestBytes = requestBytes
        self.compressionLevel = compressionLevel
        self.metricPushInterval = metricPushInterval
        self.metricGroupTTL = metricGroupTTL
        self.secretARN = secretARN
        self.credentials = credentials
        self.region = region
        self.secretsManagerURL = secretsManagerURL
    }
}
