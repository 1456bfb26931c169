import Glibc

/// Bytes of one request in one piece: head, then body.
///
/// Belongs to the loop's thread. What an announced length makes it reserve is address space; memory is taken by what
/// arrives.
package final class ReceiveBuffer {
    private var storage: UnsafeMutableRawBufferPointer
    package private(set) var count = 0

    static let initialCapacity = 16 << 10

    package init?() {
        guard let memory = malloc(Self.initialCapacity) else { return nil }
        storage = UnsafeMutableRawBufferPointer(start: memory, count: Self.initialCapacity)
    }

    deinit { free(storage.baseAddress) }

    var capacity: Int { storage.count }

    /// Valid until the next mutation.
    package var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: storage[..<count]) }

    /// Room for `wanted` more bytes; `false` when memory is short.
    func reserve(_ wanted: Int) -> Bool {
        guard storage.count - count < wanted else { return true }
        let capacity = max(storage.count * 2, count + wanted)
        guard let memory = realloc(storage.baseAddress, capacity) else { return false }
        storage = UnsafeMutableRawBufferPointer(start: memory, count: capacity)
        return true
    }

    enum Arrival { case bytes(Int), nothingYet, end, failed }

    /// One read of at most `limit` bytes into the free room.
    func fill(from descriptor: Int32, limit: Int) -> Arrival {
        guard let base = storage.baseAddress else { return .failed }
        while true {
            let received = recv(descriptor, base + count, min(limit, storage.count - count), 0)
            if received > 0 {
                count += received
                return .bytes(received)
            }
            if received == 0 { return .end }
            if errno == EINTR { continue }
            return errno == EAGAIN || errno == EWOULDBLOCK ? .nothingYet : .failed
        }
    }

    package func append(_ more: UnsafeRawBufferPointer) -> Bool {
        guard reserve(more.count) else { return false }
        UnsafeMutableRawBufferPointer(rebasing: storage[count..<(count + more.count)]).copyMemory(from: more)
        count += more.count
        return true
    }

    /// Removes a range; what follows moves down.
    func remove(_ range: Range<Int>) {
        guard range.lowerBound >= 0, range.upperBound <= count, !range.isEmpty, let base = storage.baseAddress else {
            return
        }
        memmove(base + range.lowerBound, base + range.upperBound, count - range.upperBound)
        count -= range.count
    }

    func truncate(to length: Int) {
        if length >= 0, length < count { count = length }
    }
}
