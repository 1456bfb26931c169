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

    /// The object's own members in order, repetitions included.
    package let members: UnsafeMutablePointer<JSONMember>
    package internal(set) var memberCount = 0
    /// The members of the member objects, in order.
    package let fields: UnsafeMutablePointer<JSONMember>
    package internal(set) var fieldCount = 0
    /// False when there were more ``members`` than fit.
    package internal(set) var isComplete = true
    /// False when there were more ``fields`` than fit.
    package internal(set) var hasAllFields = true

    package init() {
        members = .allocate(capacity: Self.capacity)
        fields = .allocate(capacity: Self.capacity)
    }

    deinit {
        members.deallocate()
        fields.deallocate()
    }

    func reset() {
        memberCount = 0
        fieldCount = 0
        isComplete = true
        hasAllFields = true
    }

    /// Notes a key of an object at `depth` 1 or 2. Returns the place for its value's end, nil when it did not fit.
    @inline(__always)
    func note(_ member: JSONMember, depth: Int) {
        if depth == 1 {
            if memberCount < Self.capacity {
                members[memberCount] = member
                memberCount &+= 1
            } else {
                isComplete = false
            }
        } else if fieldCount < Self.capacity {
            fields[fieldCount] = member
            fieldCount &+= 1
        } else {
            hasAllFields = false
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
