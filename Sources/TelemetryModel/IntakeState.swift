/// What a batch is encoded against: the values in the spool that depend on the order of what arrived.
///
/// The encoder works on this copy and returns the changed value inside the ``EncodedBatch``; the spool writes it in the
/// batch's transaction and replaces its own only after COMMIT.
package struct IntakeState: Equatable, Sendable {
    /// Changes with every committed append. An append that was encoded against an older revision is refused as stale.
    package var revision: UInt64
    package var identity: DocumentIdentity
    /// The invocation that a text line belongs to, nil between invocations.
    package var invocationID: String?
    /// Parts of cut records that wait for their other half, oldest first.
    package var heldParts: [HeldPart]
    /// The last acknowledged body's events; nil before the first.
    package var lastBody: LastBody?
    /// True when the last 200 was not written in full, or when this process has not acknowledged anything yet: only then
    /// may the next body be a regrouped repetition, and a single part a repetition of its twin.
    package var lastAcknowledgementUncertain: Bool

    package init(
        revision: UInt64 = 0, identity: DocumentIdentity, invocationID: String? = nil, heldParts: [HeldPart] = [],
        lastBody: LastBody? = nil, lastAcknowledgementUncertain: Bool = true
    ) {
        self.revision = revision
        self.identity = identity
        self.invocationID = invocationID
        self.heldParts = heldParts
        self.lastBody = lastBody
        self.lastAcknowledgementUncertain = lastAcknowledgementUncertain
    }
}

/// Which `_id`s a batch gets.
package enum DocumentIdentity: Equatable, Sendable {
    /// `<environment>-<number>-<index in the batch>`.
    case environment(EnvironmentID)
    /// SnapStart, before the first INVOKE or `restoreStart`: `s-<digest of function ARN, version and body>-<index>`,
    /// equal in every copy of the snapshot. No observations, no `faas.instance`.
    case snapshot
}

/// A part of a record that the platform cut at `maxBytes`.
package struct HeldPart: Equatable, Sendable {
    /// The envelope byte for byte, from `{` up to and including `"record":`.
    package var envelope: [UInt8]
    /// The record's bytes so far, joined over all parts.
    package var value: [UInt8]
    /// POSTs that gave a part: each is one event `received`; all but one become `joined`.
    package var parts: Int
    /// Wall clock at the first part, milliseconds since 1970.
    package var receivedMs: Int64
    /// SnapStart: it came before there was an environment id, so every copy of the snapshot holds it, and the record gets
    /// an id that is equal in all of them.
    package var isOfSnapshot: Bool

    package init(envelope: [UInt8], value: [UInt8], parts: Int, receivedMs: Int64, isOfSnapshot: Bool = false) {
        self.envelope = envelope
        self.value = value
        self.parts = parts
        self.receivedMs = receivedMs
        self.isOfSnapshot = isOfSnapshot
    }
}

/// The last acknowledged body, so that a repetition that begins with all its events can be recognised.
package struct LastBody: Equatable, Sendable {
    package var digest: Digest128
    /// Events (array elements and parts) in it.
    package var events: Int

    package init(digest: Digest128, events: Int) {
        self.digest = digest
        self.events = events
    }
}
