/// The action line of one document: `{"create":{"_index":"…","_id":"…"}}`.
///
/// Neither name nor id needs escaping (``IndexPattern``, ``EnvironmentID``), so both are found by position; that is what
/// makes it cheap to match the items of an answer with the lines that were sent.
package enum ActionLine {
    package static let beforeIndex: StaticString = "{\"create\":{\"_index\":\""
    package static let beforeID: StaticString = "\",\"_id\":\""
    package static let end: StaticString = "\"}}\n"

    /// Index and id of an action line, with or without its line feed; nil when it is none of ours.
    package static func read(_ line: UnsafeRawBufferPointer) -> (index: String, id: String)? {
        let head = beforeIndex.utf8CodeUnitCount
        let closing = end.utf8CodeUnitCount - 1
        let length = line.last == 0x0a ? line.count - 1 : line.count
        guard length > head + closing, line.slice(0, head).equals(beforeIndex),
            let middle = line.firstIndex(of: beforeID, from: head, anchor: 0),
            case let start = middle + beforeID.utf8CodeUnitCount, start <= length - closing,
            line.slice(length - closing, length).equals("\"}}")
        else { return nil }
        let index = line.slice(head, middle)
        let id = line.slice(start, length - closing)
        guard !index.contains(Ascii.quote), !id.contains(Ascii.quote) else { return nil }
        return (String(decoding: index, as: UTF8.self), String(decoding: id, as: UTF8.self))
    }

    package static func read(_ line: [UInt8]) -> (index: String, id: String)? {
        line.withUnsafeBytes { read($0) }
    }
}
