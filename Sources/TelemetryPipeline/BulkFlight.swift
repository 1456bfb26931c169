import TelemetrySinks
import TelemetrySpool

/// A bulk request on its way.
struct BulkFlight {
    var chunks: [StoredChunk]
    var compressed: Bool
    /// False for collections that take no `_id`: their items are matched by position.
    var withIDs: Bool
    var reader: AnswerReader
    var transfer: WatchedTransfer
    /// Begun before SHUTDOWN: its chunks may be on their way a second time.
    var isOld = false
}

/// Takes the answer as it arrives. A class, because the transfer's closure and the flight share it.
final class AnswerReader {
    private var parser: BulkResponseParser
    private var received = 0
    private let limit: Int

    /// - Parameter events: documents in the request; an answer of more than 4 KiB for each is none, and items beyond
    ///   them are not kept.
    init(events: Int) {
        parser = BulkResponseParser(maximumItems: events)
        limit = (1 << 20) + events * 4096
    }

    func feed(_ bytes: UnsafeRawBufferPointer) -> Bool {
        received += bytes.count
        guard received <= limit else { return false }
        parser.feed(bytes)
        return true
    }

    var answer: BulkAnswer { parser.answer }
}
