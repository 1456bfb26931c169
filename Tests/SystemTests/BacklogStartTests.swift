import Foundation
import LambdaSimulator
import Testing

/// Invariant: the function never pays for us, not at a start over a large backlog either.
///
/// `PERMAFROST_BACKLOG_MIB` sets its size.
@Suite(.alone, .serialized) struct BacklogStartTests {
    private static let mebibytes = Binary.environment("PERMAFROST_BACKLOG_MIB").flatMap { Int($0) } ?? 96
    private static let rounds = 9

    private struct Start {
        /// From exec to the first `next`.
        var next: Duration
        /// From the first `next` to the first answer to a POST, which takes an open spool.
        var answer: Duration
        var residentBytes: Int
    }

    @Test func `the first next and the first answer come as soon before a large backlog as before none`() throws {
        let bytes = Self.mebibytes << 20
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_SPOOL_MAX_BYTES"] = String(bytes + 512 << 20)
            setup.variables["PERMAFROST_TYPES"] = "function"
        }
        defer { stage.close() }
        let free = try #require(
            try FileManager.default.attributesOfFileSystem(forPath: stage.directory)[.systemFreeSize] as? Int)
        try #require(free > bytes * 2 + 1 << 30, "needs twice the backlog and 1 GiB on the disk")
        stage.search.stopListening()
        try stage.environment.start()
        stage.sendInvoke()
        try fill(stage, bytes)
        try awaitCheckpoint(stage)
        let size = try size(of: stage.database)
        #expect(size >= bytes)

        var large: [Start] = []
        var small: [Start] = []
        for _ in 0..<Self.rounds {
            large.append(try start(stage, directory: "/permafrost"))
            small.append(try start(stage, directory: "/empty"))
        }
        func milliseconds(_ starts: [Start], _ path: KeyPath<Start, Duration>) throws -> Double {
            try #require(starts.map { $0[keyPath: path] }.quantile(0.5)).milliseconds
        }
        let next = (try milliseconds(large, \.next), try milliseconds(small, \.next))
        let answer = (try milliseconds(large, \.answer), try milliseconds(small, \.answer))
        let memory = try #require(large.map(\.residentBytes).max())
        // What a start varies by on a machine that does something else as well.
        #expect(next.0 < next.1 * 1.5 + 3)
        #expect(answer.0 < answer.1 * 2 + 5 || Binary.isSanitized)
        #expect(memory < 32 << 20 || Binary.isSanitized, "resident \(memory)")
        func text(_ value: Double) -> String { String(format: "%.1f", value) }
        try EvidenceRecord(
            fault: "a start over a backlog of \(size >> 20) MiB",
            promise: "the first `next` and the first 200 come as soon as over an empty spool",
            rounds: "\(Self.rounds) pairs",
            outcome: "exec to `next` \(text(next.0)) ms against \(text(next.1)) ms, from there to a 200 "
                + "\(text(answer.0)) ms against \(text(answer.1)) ms (medians)",
            filter: "BacklogStartTests"
        ).write()
    }

    /// Bodies of noise, each a different one, until the file has `bytes`.
    private func fill(_ stage: Stage, _ bytes: Int) throws {
        let courier = Courier(stage.markers)
        let noise = courier.event(bytes: 240_000).bytes
        let marker = try #require(MarkerSource.find(in: noise))
        let place = try #require(Data(noise).firstRange(of: Data(marker.utf8))?.lowerBound)
        let connection = try RawConnection(port: try stage.port())
        while try size(of: stage.database) < bytes {
            for _ in 0..<50 {
                var event = noise
                let marker = Array(stage.markers.next().utf8)
                event.replaceSubrange(place..<(place + marker.count), with: marker)
                try connection.send(Courier.request([UInt8(ascii: "[")] + event + [UInt8(ascii: "]")]))
                try #require(try connection.readResponse(timeout: .seconds(20)).status == 200)
            }
        }
    }

    /// What lies in the WAL is read at an open, whatever the backlog: at most 8 MiB after a burst, 1 MiB a second later.
    private func awaitCheckpoint(_ stage: Stage) throws {
        let courier = Courier(stage.markers)
        let port = try stage.port()
        try eventually("the WAL is cut to the room it keeps", within: .seconds(30)) {
            #expect(try courier.post(courier.body(1), port: port) == 200)
            return try size(of: stage.database + "-wal") <= 1 << 20
        }
    }

    private func start(_ stage: Stage, directory: String) throws -> Start {
        let outcome = try stage.restart { $0.variables["PERMAFROST_SPOOL_DIR"] = stage.directory + directory }
        let began = ContinuousClock.now
        let courier = Courier(stage.markers)
        let status = try courier.post(courier.body(1), port: try stage.port())
        let answer = ContinuousClock.now - began
        #expect(status == 200)
        let ours = try #require(outcome.extensions.first { $0.name == Stage.name })
        return Start(
            next: try #require(ours.firstNext), answer: answer, residentBytes: stage.process?.residentBytes ?? 0)
    }

    private func size(of path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
    }
}
