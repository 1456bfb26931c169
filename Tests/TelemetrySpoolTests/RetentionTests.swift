import Synchronization
import TelemetryModel
import Testing

@testable import TelemetrySpool

/// Invariant 5 for the disk: the files stay within their bound, and what it forces out is counted.
@Suite struct BoundedSpoolTests {
    let directory = TemporaryDirectory()
    let world = World()

    private var filesOnDisk: Int { directory.size(directory.database) + directory.size(directory.wal) }

    @Test func `at the bound chunks of the lowest priority go, oldest first, and the files stay within it`() throws {
        let bound = 8 << 20
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: bound))
        try spool.opened()
        for seed in 0..<300 {
            world.advance(1)
            let priority: Priority = seed % 10 == 0 ? .failure : seed % 10 == 1 ? .platform : .line
            try spool.append(chunks: [Fixtures.chunk(events: 2, bytes: 50_000, priority: priority, seed: seed)])
            _ = spool.maintain(nowMs: 0)
            #expect(filesOnDisk <= bound)
        }
        let ledger = spool.books.ledger
        #expect(ledger[.discarded, LedgerReason.spoolFull] > 0)
        #expect(ledger.imbalance == 0)
        #expect(ledger[.received, ""] == 600)
        let left = try spool.claimAll()
        #expect(left.reduce(0) { $0 + $1.chunk.events } == ledger[.spooled, ""])
        #expect(left.filter { $0.chunk.priority == .failure }.count == 30)
        #expect(left.filter { $0.chunk.priority == .platform }.count == 30)
        let lines = left.filter { $0.chunk.priority == .line }.map(\.chunk.idsDigest)
        let newest = (0..<300).filter { $0 % 10 > 1 }.map { UInt64($0) }.suffix(lines.count)
        #expect(lines == Array(newest))
        // The files are used: not half of them is thrown away with every append.
        #expect(left.count * 50_000 > bound / 2)
    }

    @Test func `claimed chunks are passed over, and with nothing else to discard the append is refused`() throws {
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: 4 << 20))
        try spool.opened()
        for seed in 0..<40 { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 50_000, seed: seed)]) }
        let claimed = try spool.claimAll()
        #expect(throws: SpoolError.full) {
            for seed in 100..<200 { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 200_000, seed: seed)]) }
            while true { _ = try spool.claimAll(); try spool.append(chunks: [Fixtures.chunk(bytes: 200_000)]) }
        }
        #expect(spool.books.ledger.imbalance == 0)
        #expect(try spool.deliver(claimed) == .settled(SettledCounts(chunks: 40, delivered: 40)))
        try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 200_000)])
    }

    @Test func `a line that comes when only failures are stored is itself discarded`() throws {
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: 4 << 20))
        try spool.opened()
        var seed = 0
        while spool.books.ledger.total(.discarded) == 0 {
            try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, priority: .failure, seed: seed)])
            seed += 1
        }
        let before = spool.books.ledger
        try spool.append(chunks: [Fixtures.chunk(events: 5, bytes: 100_000, priority: .line)])
        #expect(
            spool.books.ledger[.discarded, LedgerReason.spoolFull] == before[.discarded, LedgerReason.spoolFull] + 5)
        #expect(spool.books.ledger[.spooled, ""] == before[.spooled, ""])
    }

    @Test func `free space that the function takes stops the growth, and what it gives back allows it again`() throws {
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: 64 << 20))
        try spool.opened()
        for seed in 0..<100 { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)]) }
        while spool.maintain(nowMs: 0).hasMore {}
        world.total.store(512 << 20, ordering: .relaxed)
        world.free.store(40 << 20, ordering: .relaxed)
        world.advance(2000)
        let size = filesOnDisk
        for seed in 100..<150 {
            try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)])
            _ = spool.maintain(nowMs: 0)
        }
        #expect(filesOnDisk <= size)
        #expect(spool.books.ledger[.discarded, LedgerReason.spoolFull] > 0)
        let discarded = spool.books.ledger.total(.discarded)
        world.free.store(400 << 20, ordering: .relaxed)
        world.advance(2000)
        for seed in 150..<200 { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)]) }
        #expect(spool.books.ledger.total(.discarded) == discarded)
    }

    @Test func `on a full disk nothing is discarded for what could be refused`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        for seed in 0..<100 { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)]) }
        world.free.store(0, ordering: .relaxed)
        world.advance(2000)
        #expect(throws: SpoolError.full) { try spool.append(chunks: [Fixtures.chunk(bytes: 100_000)]) }
        #expect(spool.books.ledger.total(.discarded) == 0)
        // What is delivered makes room, without a block from the file system.
        try spool.deliver(try spool.claim(.oldestFirst, maximumBytes: 5 << 20, maximumChunks: 1000, nowMs: 0))
        _ = spool.maintain(nowMs: 0)
        try spool.append(chunks: [Fixtures.chunk(bytes: 100_000)])
        #expect(spool.books.ledger.total(.discarded) == 0)
    }

    @Test func `rejects are bounded, the oldest go, and their count stays`() throws {
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: 4 << 20))
        try spool.opened()
        for _ in 0..<30 {
            try spool.append(chunks: []) { batch in
                batch.rejects = [
                    Fixtures.reject(String(repeating: "x", count: 20_000), reason: LedgerReason.unreadable)
                ]
                batch.ledger.add(1, .received)
                batch.ledger.add(1, .rejected, LedgerReason.unreadable)
            }
        }
        #expect(spool.books.ledger.total(.rejected) == 30)
        #expect(world.notices.contains { $0.event == "rejects_dropped" })
        let rejects = try SpoolReader(copying: directory.spool).rejects(count: 100)
        #expect(rejects.count == (4 << 20) / 20 / 20_200)
        #expect(rejects.last?.id == 30)
    }

    @Test func `a reject beyond their bound goes alone`() throws {
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: 4 << 20))
        try spool.opened()
        try spool.append(chunks: [Fixtures.chunk(events: 4)])
        let chunk = try #require(try spool.claimAll().first)
        var settlement = Settlement()
        let documents = ["{\"a\":1}", String(repeating: "x", count: 300_000), "{\"b\":2}"]
        settlement.chunks = [
            ChunkSettlement(id: chunk.id, delivered: 1, rejected: documents.map { Fixtures.reject($0) })
        ]
        _ = try spool.settle(settlement)
        #expect(spool.books.ledger.total(.rejected) == 3)
        #expect(try SpoolReader(copying: directory.spool).rejects(count: 9).map(\.document.content.count) == [7, 7])
        #expect(world.notices.filter { $0.event == "rejects_dropped" }.flatMap { $0.fields.map(\.value) } == ["1"])
    }

    @Test func `the WAL is checkpointed by the flush thread above 1 MiB and by an append only above 8 MiB`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        for seed in 0..<50 { try spool.append(chunks: [Fixtures.chunk(bytes: 100_000, seed: seed)]) }
        #expect(directory.size(directory.wal) > 5 << 20)
        #expect(directory.size(directory.database) < 1 << 20)
        _ = spool.maintain(nowMs: 0)
        #expect(directory.size(directory.database) > 5_000_000)
        for seed in 0..<400 { try spool.append(chunks: [Fixtures.chunk(bytes: 100_000, seed: seed)]) }
        #expect(directory.size(directory.wal) < 9 << 20)
    }

    @Test func `the files shrink after a drain, and the WAL keeps its first MiB`() throws {
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: 128 << 20))
        try spool.opened()
        #expect(directory.size(directory.wal) >= 1 << 20)
        for seed in 0..<500 {
            try spool.append(chunks: [Fixtures.chunk(bytes: 100_000, seed: seed)])
            _ = spool.maintain(nowMs: 0)
        }
        #expect(directory.size(directory.database) > 45 << 20)
        while !spool.backlog().isEmpty {
            try spool.deliver(try spool.claim(.oldestFirst, maximumBytes: 5 << 20, maximumChunks: 1000, nowMs: 0))
        }
        var slices = 0
        while spool.maintain(nowMs: 0).hasMore {
            slices += 1
            #expect(directory.size(directory.wal) < 6 << 20)
        }
        #expect(slices > 0)
        #expect(directory.size(directory.database) < 1 << 20)
        #expect(directory.size(directory.wal) == 1 << 20)
        try spool.append(chunks: [Fixtures.chunk(seed: 7)])
        #expect(try spool.claimAll().map(\.chunk.idsDigest) == [7])
    }

    @Test func `with a backlog left the file gives back what is free beyond a quarter`() throws {
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: 128 << 20))
        try spool.opened()
        for seed in 0..<500 {
            try spool.append(chunks: [Fixtures.chunk(bytes: 100_000, seed: seed)])
            _ = spool.maintain(nowMs: 0)
        }
        for _ in 0..<9 {
            try spool.deliver(try spool.claim(.oldestFirst, maximumBytes: 25_000_000, maximumChunks: 50, nowMs: 0))
        }
        while spool.maintain(nowMs: 0).hasMore {}
        #expect(directory.size(directory.database) < 14 << 20)
        #expect(try spool.claimAll().map(\.chunk.idsDigest) == (450..<500).map { UInt64($0) })
    }

    @Test func `a restart does not lower the default bound by what lies in the spool`() throws {
        // What the file system says when the spool's own files are all that is in it.
        let total = 160 << 20
        func options(_ path: String) -> SpoolOptions {
            var options = world.options(maximumBytes: nil)
            options.fileSystemSpace = { [directory] path in
                FileSystemSpace(
                    free: total - directory.size(directory.database) - directory.size(directory.wal), total: total)
            }
            return options
        }
        var received = 0
        do {
            let spool = Spool(directory: directory.spool, options: options(directory.spool))
            try spool.opened()
            while spool.books.ledger.total(.discarded) == 0 {
                try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: received)])
                _ = spool.maintain(nowMs: 0)
                received += 1
            }
        }
        #expect(filesOnDisk > 38 << 20)
        for _ in 0..<3 {
            let spool = Spool(directory: directory.spool, options: options(directory.spool))
            try spool.opened()
            while spool.maintain(nowMs: 0).hasMore {}
            #expect(spool.books.ledger.total(.discarded) < 5)
            #expect(spool.backlog().chunks > received - 5)
        }
        #expect(filesOnDisk <= 41 << 20)
    }

    @Test func `a restart discards nothing because the function has filled the disk meanwhile`() throws {
        world.total.store(1 << 30, ordering: .relaxed)
        world.free.store(900 << 20, ordering: .relaxed)
        do {
            let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: nil))
            try spool.opened()
            for seed in 0..<600 {
                try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)])
                if seed < 550 { _ = spool.maintain(nowMs: 0) }
            }
        }
        world.free.store(120 << 20, ordering: .relaxed)
        for _ in 0..<3 {
            let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: nil))
            try spool.opened()
            while spool.maintain(nowMs: 0).hasMore {}
            #expect(spool.backlog().chunks == 600)
            #expect(spool.books.ledger.total(.discarded) == 0)
        }
        let size = filesOnDisk
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: nil))
        try spool.opened()
        for seed in 600..<700 {
            try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)])
            _ = spool.maintain(nowMs: 0)
        }
        #expect(spool.books.ledger.total(.discarded) > 0)
        #expect(filesOnDisk <= size + 1 << 20)
    }

    @Test func `a file system without an end has a bound too`() throws {
        world.free.store(.max, ordering: .relaxed)
        world.total.store(.max, ordering: .relaxed)
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: nil))
        try spool.opened()
        #expect(spool.withStoreForTest { $0.space.bound } == 256 << 20)
        try spool.append(chunks: [Fixtures.chunk()])
    }

    /// A batch that needs more of the WAL than the room it always keeps.
    @Test(arguments: [1, 12])
    func `a large batch at the bound discards no more than it needs`(chunks: Int) throws {
        let bound = 16 << 20
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: bound))
        try spool.opened()
        var seed = 0
        while spool.books.ledger.total(.discarded) == 0 {
            try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)])
            _ = spool.maintain(nowMs: 0)
            seed += 1
        }
        let size = 3 << 20
        try spool.append(
            chunks: (0..<chunks).map { Fixtures.chunk(events: 1, bytes: size / chunks, seed: seed + $0) })
        let discarded = spool.books.ledger[.discarded, LedgerReason.spoolFull]
        #expect((30...36).contains(discarded))
        #expect(spool.books.ledger.imbalance == 0)
        while spool.maintain(nowMs: 0).hasMore {}
        try spool.append(chunks: [])
        #expect(filesOnDisk <= bound)
        #expect(spool.books.ledger.total(.discarded) == discarded)
    }

    @Test func `a large batch on a short disk is refused before anything goes`() throws {
        let spool = Spool(directory: directory.spool, options: world.options())
        try spool.opened()
        for seed in 0..<100 { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)]) }
        while spool.maintain(nowMs: 0).hasMore {}
        world.total.store(512 << 20, ordering: .relaxed)
        world.free.store(40 << 20, ordering: .relaxed)
        world.advance(2000)
        #expect(throws: SpoolError.full) {
            try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 3 << 20, seed: 100)])
        }
        #expect(spool.backlog().chunks == 100)
        // Small ones take the place of the oldest.
        try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: 101)])
        #expect((1...2).contains(spool.books.ledger[.discarded, LedgerReason.spoolFull]))
    }

    @Test func `a part that is held at the bound makes room for itself alone`() throws {
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: 16 << 20))
        try spool.opened()
        func hold(_ bytes: Int) throws {
            try spool.append(chunks: []) { batch in
                batch.state.heldParts.append(
                    HeldPart(envelope: [1], value: [UInt8](repeating: 7, count: bytes), parts: 1, receivedMs: 0))
                batch.ledger.add(1, .received)
                batch.ledger.add(1, .spooled)
            }
        }
        try hold(3 << 20)
        var seed = 0
        while spool.books.ledger.total(.discarded) == 0 {
            try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)])
            _ = spool.maintain(nowMs: 0)
            seed += 1
        }
        try hold(1000)
        #expect(spool.books.ledger.total(.discarded) <= 3)
        #expect(spool.books.ledger.imbalance == 0)
    }

    @Test func `a bound that was lowered is kept after the next start`() throws {
        do {
            let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: 64 << 20))
            try spool.opened()
            for seed in 0..<200 { try spool.append(chunks: [Fixtures.chunk(events: 1, bytes: 100_000, seed: seed)]) }
        }
        let spool = Spool(directory: directory.spool, options: world.options(maximumBytes: 8 << 20))
        try spool.opened()
        while spool.maintain(nowMs: 0).hasMore {}
        #expect(filesOnDisk <= 8 << 20)
        #expect(spool.books.ledger.imbalance == 0)
        #expect(spool.books.ledger[.discarded, LedgerReason.spoolFull] > 100)
    }
}
