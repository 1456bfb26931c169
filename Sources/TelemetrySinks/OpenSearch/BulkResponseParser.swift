import TelemetryModel

/// Reads the answer to a bulk request as it arrives, split anywhere, in bounded memory.
///
/// Items are taken as they are closed: of an answer that breaks off, those before the break count. Keys may come in any
/// order and others may stand between them, so that the full answer parses too (a managed domain ignores
/// `filter_path` on signed requests). Items of the filtered all-good answer go through ``takePlainItems(_:)`` without
/// tokenizing.
package struct BulkResponseParser: Sendable {
    private var stream = JSONStream(captureLimit: 1024)
    private var handler: BulkResponseHandler
    private var prefix = IDPrefix()

    /// Neighbouring ids begin with the same environment id: its hash is taken once.
    private struct IDPrefix: Sendable {
        static let length = 16

        private var first: UInt64 = 0
        private var second: UInt64 = 0
        private var state: DocumentIDHash?

        /// The hash of the first 16 bytes at `offset`, which must be there.
        mutating func hash(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> DocumentIDHash {
            let now = (BulkResponseParser.word(bytes, offset), BulkResponseParser.word(bytes, offset + 8))
            if let state, now == (first, second) { return state }
            var fresh = DocumentIDHash()
            fresh.add(UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + Self.length)]))
            (first, second) = now
            state = fresh
            return fresh
        }
    }

    /// - Parameter maximumItems: Items beyond it are not kept: for the documents that were sent. An answer that never
    ///   ends must not fill the memory.
    package init(maximumItems: Int = 1_000_000) {
        handler = BulkResponseHandler(maximumItems: maximumItems)
    }

    package mutating func feed(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while !rest.isEmpty {
            if handler.isBetweenItems, stream.depth == 2 {
                rest = UnsafeRawBufferPointer(rebasing: rest[takePlainItems(rest)...])
                if rest.isEmpty { return }
            }
            let taken = stream.feed(rest, to: &handler) { $0.isBetweenItems }
            rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
        }
    }

    package mutating func feed(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { feed($0) }
    }

    /// What has been read so far.
    package var answer: BulkAnswer {
        var answer = handler.answer
        answer.isComplete = stream.state == .done
        answer.isJSON = handler.rootIsObject && stream.state != .broken
        answer.requestError = handler.requestError
        return answer
    }

    /// Takes items of the one form `{"create":{"_id":"…","status":2xx}}`, as long as they follow one another, and
    /// returns the number of bytes taken. Everything else is left to the tokenizer: other statuses, other orders,
    /// escapes, items that the end of the piece cuts.
    private mutating func takePlainItems(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard stream.state == .value || stream.state == .valueOrEnd || stream.state == .commaOrEnd else { return 0 }
        var needsComma = stream.state == .commaOrEnd
        var taken = 0
        while taken < bytes.count, handler.answer.items < handler.maximumItems {
            if needsComma {
                guard bytes[taken] == UInt8(ascii: ",") else { break }
                needsComma = false
                taken += 1
                stream.commaWasTaken()
                continue
            }
            guard let length = Self.plainItem(bytes, at: taken, &prefix, into: &handler.answer) else { break }
            taken += length
            needsComma = true
            stream.elementWasTaken()
        }
        return taken
    }

    /// The length of a plain item at `start`, which is then counted, or nil.
    private static func plainItem(
        _ bytes: UnsafeRawBufferPointer, at start: Int, _ prefix: inout IDPrefix, into answer: inout BulkAnswer
    ) -> Int? {
        guard start + 18 <= bytes.count,
            word(bytes, start) == head0,
            word(bytes, start + 8) == head1,
            bytes[start + 16] == UInt8(ascii: ":"), bytes[start + 17] == UInt8(ascii: "\"")
        else { return nil }
        var index = start + 18
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\"") { break }
            guard byte != UInt8(ascii: "\\") else { return nil }
            index += 1
        }
        // The id's quote, `,"status":2xx`, and both braces: 16 bytes.
        guard index - start - 18 <= BulkResponseHandler.maximumIDLength, index > start + 18,
            index + 16 <= bytes.count,
            word(bytes, index + 1) == status,
            bytes[index + 9] == UInt8(ascii: "\""), bytes[index + 10] == UInt8(ascii: ":"),
            bytes[index + 11] == UInt8(ascii: "2"), bytes[index + 12] == UInt8(ascii: "0"),
            bytes[index + 13] == UInt8(ascii: "1") || bytes[index + 13] == UInt8(ascii: "0"),
            bytes[index + 14] == UInt8(ascii: "}"), bytes[index + 15] == UInt8(ascii: "}")
        else { return nil }
        var hash = DocumentIDHash()
        var hashed = start + 18
        if index - hashed >= IDPrefix.length {
            hash = prefix.hash(bytes, at: hashed)
            hashed += IDPrefix.length
        }
        hash.add(UnsafeRawBufferPointer(rebasing: bytes[hashed..<index]))
        let value = hash.value
        answer.items += 1
        answer.good.append(value)
        answer.goodDigest &+= value
        return index + 16 - start
    }

    // Eight bytes each, the first one lowest: literals, because a computed constant would be guarded by a `once` in the
    // innermost loop.
    /// `{"create`
    private static var head0: UInt64 { 0x6574_6165_7263_227b }
    /// `":{"_id"`
    private static var head1: UInt64 { 0x2264_695f_227b_3a22 }
    /// `,"status`
    private static var status: UInt64 { 0x7375_7461_7473_222c }

    fileprivate static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
