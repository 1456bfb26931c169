package import TelemetryModel

/// A chunk as it lies in the spool, claimed by whoever holds this.
package struct StoredChunk: Sendable {
    package var id: Int64
    package var chunk: Chunk
    /// When its oldest event was received, milliseconds since 1970.
    package var createdMs: Int64
    /// How many times its documents have been sent and have to be sent again.
    package var attempts: Int

    package init(id: Int64, chunk: Chunk, createdMs: Int64, attempts: Int) {
        self.id = id
        self.chunk = chunk
        self.createdMs = createdMs
        self.attempts = attempts
    }
}

extension Chunk {
    /// What stands in `stored_crc`: the CRC of the stored bytes, turned by the numbers that say what they are. Damage to
    /// one of these shows where damage to the bytes does, and never reaches a request that nobody could settle.
    var sealedCRC: UInt32 { storedCRC ^ seal }

    /// Takes the turn back: the CRC that the bytes must have if these numbers are those that were written.
    func unsealed(_ sealed: UInt32) -> UInt32 { sealed ^ seal }

    private var seal: UInt32 {
        var mixed: UInt64 = 0
        for number in [
            UInt64(linesCRC), UInt64(bitPattern: Int64(linesLength)), UInt64(bitPattern: Int64(events)), idsDigest,
        ] {
            mixed = (mixed ^ number) &* 0x9e37_79b9_7f4a_7c15
            mixed ^= mixed >> 29
        }
        return UInt32(truncatingIfNeeded: mixed ^ mixed >> 32)
    }
}

/// In which order chunks are claimed.
package enum ClaimOrder: Sendable {
    /// Due rows only. Rows whose retry is due get up to half of the request, rows that were never tried the rest, each
    /// kind oldest first: neither starves the other.
    case oldestFirst
    /// The same with the kinds changed round. A single due row may fill a request: who claims in turns gives both kinds
    /// a request of theirs.
    case untriedFirst
    /// Failures (priority 2) that were never tried, newest first, then the others, oldest first, then what is due for a
    /// retry; rows that are not due come last.
    case shutdown
}
