/// Where one member of an object lies; byte offsets into what was scanned. Keys are without their quotes.
package struct JSONMember {
    package var keyStart: Int
    package var keyEnd: Int
    package var valueStart: Int
    package var valueEnd: Int
    /// The key is spelled with an escape: compare ``JSONReader/decode(_:)``'s result, not the bytes.
    package var keyHasEscapes: Bool
}

/// The members of a scanned object and of the objects that are its members' values, noted in the one pass that
/// validates it, so that nothing is looked at twice. Reused from one object to the next; nothing is allocated per object.
package final class JSONOutline {
    /// Members noted at most, per level; of the rest only ``isComplete`` tells.
    package static let capacity = 64

    @usableFromInline
    struct Counts {
        @usableFromInline var members = 0
        @usableFromInline var fields = 0
        @usableFromInline var isComplete = true
        @usableFromInline var hasAllFields = true
    }

    /// The object's own members in order, repetitions included.
    package let members: UnsafeMutablePointer<JSONMember>
    /// The members of the member objects, in order.
    package let fields: UnsafeMutablePointer<JSONMember>
    // Behind a pointer for the reason that JSONBuffer gives.
    @usableFromInline let counts: UnsafeMutablePointer<Counts>

    package init() {
        members = .allocate(capacity: Self.capacity)
        fields = .allocate(capacity: Self.capacity)
        counts = .allocate(capacity: 1)
        counts.initialize(to: Counts())
    }

    deinit {
        members.deallocate()
        fields.deallocate()
        counts.deallocate()
    }

    @inlinable
    package var memberCount: Int { counts.pointee.members }
    @inlinable
    package var fieldCount: Int { counts.pointee.fields }
    /// False when there were more ``members`` than fit.
    @inlinable
    package var isComplete: Bool { counts.pointee.isComplete }
    /// False when there were more ``fields`` than fit.
    @inlinable
    package var hasAllFields: Bool { counts.pointee.hasAllFields }

    func reset() { counts.pointee = Counts() }

    /// Notes a key of an object at `depth` 1 or 2. What does not fit is left out.
    @inline(__always)
    func note(_ member: JSONMember, depth: Int) {
        if depth == 1 {
            if memberCount < Self.capacity {
                members[memberCount] = member
                counts.pointee.members &+= 1
            } else {
                counts.pointee.isComplete = false
            }
        } else if fieldCount < Self.capacity {
            fields[fieldCount] = member
            counts.pointee.fields &+= 1
        } else {
            counts.pointee.hasAllFields = false
        }
    }

    /// Notes the end of the value of the last key at `depth`.
    @inline(__always)
    func close(at end: Int, depth: Int) {
        if depth == 1 {
            if isComplete, memberCount > 0 { members[memberCount &- 1].valueEnd = end }
        } else if hasAllFields, fieldCount > 0 {
            fields[fieldCount &- 1].valueEnd = end
        }
    }
}
