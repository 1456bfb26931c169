import Deflate
import TelemetryModel
import TelemetrySinks
import TelemetrySpool
import Testing

@testable import TelemetryPipeline

@Suite struct ItemSettlementTests {
    private func settler(_ nowMs: Int64 = 5_000) throws -> ItemSettlement {
        ItemSettlement(encoder: try ChunkEncoder(level: 1), nowMs: nowMs, requestBytes: 1 << 20) { failures, floor in
            max(floor, .seconds(failures))
        }
    }

    /// An answer as a server would write it for these ids.
    private func answer(_ items: [(id: String, status: Int, type: String, reason: String)]) -> BulkAnswer {
        var parser = BulkResponseParser()
        let texts = items.map { item in
            item.type.isEmpty
                ? #"{"create":{"_id":"\#(item.id)","status":\#(item.status)}}"#
                : #"{"create":{"_id":"\#(item.id)","status":\#(item.status),"error":{"type":"\#(item.type)","reason":"\#(item.reason)"}}}"#
        }
        parser.feed(Array(#"{"errors":true,"items":[\#(texts.joined(separator: ","))]}"#.utf8))
        return parser.answer
    }

    private func ids(_ chunks: [StoredChunk]) throws -> [String] {
        try chunks.flatMap { stored in
            let documents = BulkLines(
                try Inflater.inflate(stored: stored.chunk.stored, length: stored.chunk.linesLength))
            return documents.map { documents.text($0.id) }
        }
    }

    @Test func `what is confirmed is delivered, what failed is sent again, the rest of the books follows`() throws {
        let fixture = try SpoolFixture()
        try fixture.append(lines(4))
        let chunks = try fixture.claimAll()
        let ids = try ids(chunks)
        let result = try settler().settle(
            chunks,
            answer([
                (ids[3], 201, "", ""), (ids[0], 409, "version_conflict_engine_exception", "exists"),
                (ids[1], 429, "rejected_execution_exception", "full"),
                (ids[2], 403, "cluster_block_exception", "index write"),
            ]))
        #expect(result.delivered == 2)
        #expect(result.unavailable == 1)
        #expect(result.settlement.requeued.map(\.chunk.events).sorted() == [1, 1])
        // A refusal that waits for an operator waits for longer than back-pressure.
        #expect(result.settlement.requeued.map(\.retryAtMs).sorted() == [6_000, 10_000])
        guard case .settled = try fixture.spool.settle(result.settlement) else {
            Issue.record("not settled")
            return
        }
        let books = fixture.spool.books
        #expect(books.ledger.total(.delivered) == 2)
        #expect(books.ledger.total(.spooled) == 2)
        #expect(books.ledger.imbalance == 0)
        let again = try fixture.spool.claim(.shutdown, maximumBytes: 1 << 20, maximumChunks: 100, nowMs: 5_000)
        #expect(try Set(self.ids(again)) == Set([ids[1], ids[2]]))
    }

    @Test func `a document at fault is sent once more in the safe shape and then rejected, under one id`() throws {
        let fixture = try SpoolFixture()
        try fixture.append(#"[{"time":"2026-07-29T08:00:00.702Z","type":"function","record":{"a":{"b":1}}}]"#)
        let chunks = try fixture.claimAll()
        let id = try #require(try ids(chunks).first)
        let fault = answer([(id, 400, "mapper_parsing_exception", "failed to parse")])
        let first = try settler().settle(chunks, fault)
        #expect(first.rejected == 0)
        _ = try fixture.spool.settle(first.settlement)
        let again = try fixture.claimAll()
        #expect(try ids(again) == [id])
        let line = try Inflater.inflate(stored: again[0].chunk.stored, length: again[0].chunk.linesLength)
        #expect(String(decoding: line, as: UTF8.self).contains(#""record_text":"{\"a\":{\"b\":1}}""#))
        let second = try settler().settle(again, fault)
        #expect(second.rejected == 1)
        _ = try fixture.spool.settle(second.settlement)
        #expect(fixture.spool.books.ledger[.rejected, LedgerReason.document] == 1)
        #expect(fixture.spool.books.ledger.imbalance == 0)
    }

    @Test func `an ingest pipeline gets eight tries over at least a minute`() throws {
        let fixture = try SpoolFixture()
        try fixture.append(lines(1))
        var now: Int64 = 5_000
        var tries = 0
        while true {
            let chunks = try fixture.spool.claim(.oldestFirst, maximumBytes: 1 << 20, maximumChunks: 9, nowMs: now)
            guard let id = try ids(chunks).first else { break }
            tries += 1
            let result = try settler(now).settle(chunks, answer([(id, 500, "fail_processor_exception", "no")]))
            _ = try fixture.spool.settle(result.settlement)
            guard let next = fixture.spool.backlog().nextRetryMs else { break }
            now = next
        }
        #expect(tries == 8)
        #expect(now - 5_000 >= 60_000)
        #expect(fixture.spool.books.ledger[.rejected, LedgerReason.pipeline] == 1)
    }

    @Test func `an answer that names none of the documents changes nothing`() throws {
        let fixture = try SpoolFixture()
        try fixture.append(lines(3))
        let chunks = try fixture.claimAll()
        let result = try settler().settle(chunks, answer([("somebody-else-1", 201, "", "")]))
        #expect(result.settlement.chunks.isEmpty)
        #expect(result.delivered == 0)
    }

    @Test func `a chunk is split in halves that keep ids and age`() throws {
        let fixture = try SpoolFixture()
        try fixture.append(lines(5))
        let chunks = try fixture.claimAll()
        let all = try ids(chunks)
        _ = try fixture.spool.settle(try settler().split(try #require(chunks.first)))
        let halves = try fixture.claimAll()
        #expect(halves.map(\.chunk.events) == [2, 3])
        #expect(Set(halves.map(\.createdMs)) == Set(chunks.map(\.createdMs)))
        #expect(try ids(halves).sorted() == all.sorted())
        #expect(fixture.spool.books.ledger.imbalance == 0)
    }

    @Test func `collections without ids are matched by position`() throws {
        let fixture = try SpoolFixture()
        try fixture.append(lines(3))
        let chunks = try fixture.claimAll()
        let result = try settler().settle(
            chunks,
            answer([
                ("generated-1", 201, "", ""), ("", 429, "rejected_execution_exception", "full"),
                ("generated-3", 201, "", ""),
            ]), byPosition: true)
        #expect(result.delivered == 2)
        #expect(result.settlement.requeued.count == 1)
    }
}

@Suite struct SuspectDocumentsTests {
    @Test func `a document is guilty only when others were accepted since it was suspected`() {
        var suspects = SuspectDocuments()
        suspects.othersAccepted()
        suspects.suspect(7)
        #expect(!suspects.isGuilty(7))
        suspects.suspect(7)
        #expect(!suspects.isGuilty(7))
        suspects.othersAccepted()
        #expect(suspects.isGuilty(7))
        #expect(!suspects.isGuilty(8))
        suspects.forget(7)
        #expect(!suspects.isGuilty(7))
    }
}

@Suite struct AnswerReaderTests {
    @Test func `of an answer with more items than documents were sent no more than these are kept`() {
        let reader = AnswerReader(events: 2)
        let item = #"{"create":{"_id":"x","status":500,"error":{"type":"t","reason":"r"}}}"#
        let items = Array(repeating: item, count: 100).joined(separator: ",")
        let answer = Array(#"{"errors":true,"items":[\#(items)]}"#.utf8)
        #expect(answer.withUnsafeBytes { reader.feed($0) })
        #expect(reader.answer.failed.count == 2)
        #expect(reader.answer.items == 100)
    }
}
