/// Reads the uncompressed lines of chunks: pairs of an action line and a document line.
///
/// The lines are our own, made for `create` with index and id, so no escape occurs in either. A line that is not of
/// this kind (a chunk salvaged from a damaged spool, say) gives a document without id rather than an error.
package struct BulkLines: Sequence, IteratorProtocol, Sendable {
    package struct Document: Equatable, Sendable {
        /// The action line with its newline.
        package var action: Range<Int>
        /// The document line without its newline.
        package var document: Range<Int>
        /// The bytes of the `_id`; empty without one.
        package var id: Range<Int>
        /// The bytes of the `_index`; empty without one.
        package var index: Range<Int>
        /// Both lines with their newlines.
        package var lines: Range<Int>
    }

    package let bytes: [UInt8]
    private var position = 0

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Nil at the end; a last line that lacks its partner is not a document.
    package mutating func next() -> Document? {
        guard position < bytes.count, let actionEnd = bytes[position...].firstIndex(of: 0x0a) else { return nil }
        let start = position
        let documentStart = actionEnd + 1
        guard documentStart < bytes.count else { return nil }
        let documentEnd = bytes[documentStart...].firstIndex(of: 0x0a) ?? bytes.count
        position = Swift.min(documentEnd + 1, bytes.count)
        return Document(
            action: start..<documentStart, document: documentStart..<documentEnd,
            id: value(of: Self.idKey, in: start..<actionEnd), index: value(of: Self.indexKey, in: start..<actionEnd),
            lines: start..<position)
    }

    package func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// The same documents without ids, as `index` actions: for collections that take none. Two tries then store two
    /// documents.
    package static func withoutIDs(_ lines: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(lines.count)
        let documents = BulkLines(lines)
        for document in documents {
            result += Array("{\"index\":{\"_index\":\"".utf8) + lines[document.index] + Array("\"}}\n".utf8)
            result += lines[document.document]
            result.append(0x0a)
        }
        return result
    }

    private static let idKey = Array("\"_id\":\"".utf8)
    private static let indexKey = Array("\"_index\":\"".utf8)

    private func value(of key: [UInt8], in line: Range<Int>) -> Range<Int> {
        var start = line.lowerBound
        while start + key.count <= line.upperBound {
            if bytes[start] == key[0], bytes[start..<(start + key.count)].elementsEqual(key) {
                let from = start + key.count
                guard let end = bytes[from..<line.upperBound].firstIndex(of: UInt8(ascii: "\"")),
                    !bytes[from..<end].contains(UInt8(ascii: "\\"))
                else { break }
                return from..<end
            }
            start += 1
        }
        return line.lowerBound..<line.lowerBound
    }
}
