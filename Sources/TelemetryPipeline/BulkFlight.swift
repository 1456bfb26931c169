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
    private var parser = BulkResponseParser()

    func feed(_ bytes: UnsafeRawBufferPointer) -> Bool {
        parser.feed(bytes)
        return true
    }

    var answer: BulkAnswer { parser.answer }
}
