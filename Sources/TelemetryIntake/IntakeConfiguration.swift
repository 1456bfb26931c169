package import TelemetryModel

/// What the encoder needs to know beside the body; fixed for the life of the process.
package struct IntakeConfiguration: Sendable {
    package var indices: IndexPatterns
    /// Uncompressed bytes of a chunk, at most; a single larger document stands alone.
    package var requestBytes: Int
    /// 0 (stored) … 9 (smallest).
    package var compressionLevel: Int
    /// False without an OpenSearch URL but with a gateway: events are counted as filtered and not stored.
    package var storesEvents: Bool
    package var observesMetrics: Bool
    /// Observations carry the request id of their report.
    package var requestIDLabel: Bool
    /// Invocations run side by side: only a record's own request id counts.
    package var managedInstances: Bool
    /// How lines of our own begin, which come back on the `extension` stream. ASCII without quotes and backslashes.
    package var ownLinePrefix: String

    package init(
        indices: IndexPatterns, requestBytes: Int = 5_242_880, compressionLevel: Int = 1, storesEvents: Bool = true,
        observesMetrics: Bool = true, requestIDLabel: Bool = false, managedInstances: Bool = false,
        ownLinePrefix: String = "permafrost "
    ) {
        self.indices = indices
        self.requestBytes = requestBytes
        self.compressionLevel = compressionLevel
        self.storesEvents = storesEvents
        self.observesMetrics = observesMetrics
        self.requestIDLabel = requestIDLabel
        self.managedInstances = managedInstances
        self.ownLinePrefix = ownLinePrefix
    }
}
