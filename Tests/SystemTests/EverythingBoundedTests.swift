import Foundation
import LambdaSimulator
import Testing

/// Invariant: memory, bodies, connections, the spool and time are bounded, and what a bound forces out is counted.
@Suite(.together) struct EverythingBoundedTests {
    private func stage(_ configure: (inout EnvironmentSetup) -> Void = { _ in }) throws -> Stage {
        let stage = try Stage { setup in
            setup.variables["PERMAFROST_TYPES"] = "function"
            configure(&setup)
        }
        try stage.environment.start()
        return stage
    }

    @Test func `a body over the bound gets 413 and a connection that is closed cleanly`() throws {
        let stage = try stage()
        defer { stage.close() }
        let port = try stage.port()
        let body = [UInt8](repeating: UInt8(ascii: " "), count: (8 << 20) + 1)
        for _ in 0..<3 {
            let connection = try RawConnection(port: port)
            // The answer may come before the body is out; its reader must get it all the same.
            try? connection.send(Courier.request(body))
            #expect(try connection.readResponse(timeout: .seconds(10)).status == 413)
        }
        let chunked = try RawConnection(port: port)
        try chunked.send(Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".utf8))
        let chunk = Array("100000\r\n".utf8) + [UInt8](repeating: 0x20, count: 1 << 20) + [13, 10]
        for _ in 0..<9 { try? chunked.send(chunk) }
        #expect(try chunked.readResponse(timeout: .seconds(10)).status == 413)
        stage.expectServes()
    }

    @Test func `bodies of several MiB and bursts of ten thousand events are taken whole`() throws {
        let stage = try stage { $0.variables["PERMAFROST_BATCH_EVENTS"] = "500" }
        defer { stage.close() }
        stage.sendInvoke()
        let courier = Courier(stage.markers)
        let port = try stage.port()
        #expect(try courier.post(courier.body(4, bytes: 1_000_000), port: port) == 200)
        #expect(try courier.post(courier.body(1, bytes: 4 << 20), port: port) == 200)
        #expect(try courier.post(courier.body(10_000, bytes: 120), port: port) == 200)
        for _ in 0..<20 { #expect(try courier.post(courier.body(500, bytes: 80), port: port) == 200) }
        eventually("all of it is stored", within: .seconds(60)) { stage.search.documentCount == 20_005 }
        let memory = try #require(stage.process?.residentBytes)
        #expect(memory < 128 << 20 || Binary.isSanitized, "resident \(memory)")
        courier.expectExact(stage.search, try stage.drainToTheEnd())
    }

    @Test func `several connections at once post different bodies`() throws {
        let stage = try stage { $0.variables["PERMAFROST_BATCH_EVENTS"] = "200" }
        defer { stage.close() }
        stage.sendInvoke()
        let port = try stage.port()
        let couriers = (0..<8).map { _ in LoopConfined(Courier(stage.markers)) }
        let finished = Monitor(0)
        for courier in couriers {
            // Each courier belongs to one thread until that thread has said that it is done.
            Thread {
                defer { finished.withLock { $0 += 1 } }
                guard let connection = try? RawConnection(port: port) else { return }
                for size in 1...25 {
                    let body = courier.value.body(size, bytes: 40 * size)
                    let status = try? courier.value.post(body, over: connection)
                    if status != 200 { Issue.record("\(String(describing: status))") }
                }
            }.start()
        }
        #expect(finished.wait(timeout: .seconds(60)) { $0 == couriers.count ? true : nil } == true)
        let line = try stage.drainToTheEnd()
        let documents = stage.search.documents().map(\.source)
        let acknowledged = couriers.reduce(into: Set<String>()) { $0.formUnion($1.value.acknowledged) }
        #expect(acknowledged.count == 8 * 25 * 26 / 2)
        #expect(documents.count == acknowledged.count)
        #expect(Set(documents.compactMap { MarkerSource.find(in: $0) }) == acknowledged)
        #expect(line.isBalanced && line.count("received") == acknowledged.count, "\(line.fields)")
    }

    @Test func `two hundred connections with half a body each leave room for a whole one`() throws {
        let stage = try stage()
        defer { stage.close() }
        let port = try stage.port()
        let half =
            Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n[".utf8)
            + [UInt8](repeating: 0x20, count: 100_000)
        var connections: [RawConnection] = []
        for _ in 0..<200 {
            let connection = try RawConnection(port: port)
            try? connection.send(half, timeout: .seconds(2))
            connections.append(connection)
        }
        let courier = Courier(stage.markers)
        #expect(try courier.post(courier.body(5), port: port) == 200)
        let memory = try #require(stage.process?.residentBytes)
        #expect(memory < 96 << 20, "resident \(memory)")
        // More connections than there may be: the oldest that has no complete request goes.
        for _ in 0..<120 { connections.append(try RawConnection(port: port)) }
        #expect(try courier.post(courier.body(5), port: port) == 200)
        for connection in connections { connection.close() }
        stage.expectServes()
    }

    @Test func `one byte a second is cut off, and nobody waits for it`() throws {
        let stage = try stage()
        defer { stage.close() }
        let port = try stage.port()
        let slow = try RawConnection(port: port)
        let courier = Courier(stage.markers)
        let began = ContinuousClock.now
        try slow.send(Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n".utf8))
        eventually("the connection is closed though it never stands still", within: .seconds(14)) {
            if slow.isPeerGone { return true }
            try? slow.send([0x20], timeout: .milliseconds(100))
            let asked = ContinuousClock.now
            #expect((try? courier.post(courier.body(1), port: port)) == 200)
            #expect(ContinuousClock.now - asked < .seconds(2))
            pause(.milliseconds(500))
            return false
        }
        #expect(ContinuousClock.now - began > .seconds(8), "cut off too early")
        stage.expectServes()
    }

    @Test func `a spool at its bound discards the oldest lines first, counts them, and keeps its size`() throws {
        let bound = 4 << 20
        let stage = try stage { setup in
            setup.variables["PERMAFROST_SPOOL_MAX_BYTES"] = String(bound)
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "100"
        }
        defer { stage.close() }
        stage.search.stopListening()
        let courier = Courier(stage.markers)
        let port = try stage.port()
        let failure = courier.event(
            record: #"{"requestId":"{marker}","status":"error","errorType":"Order.NotFound"}"#,
            type: "platform.runtimeDone")
        #expect(try courier.post(Courier.Body(events: [failure]), port: port) == 200)
        let first = courier.body(20, bytes: 2000)
        #expect(try courier.post(first, port: port) == 200)
        for _ in 0..<200 { #expect(try courier.post(courier.body(20, bytes: 2000), port: port) == 200) }
        let files = try FileManager.default.contentsOfDirectory(atPath: stage.directory + "/permafrost")
        let size = try files.reduce(0) { sum, name in
            let path = stage.directory + "/permafrost/" + name
            return sum + (try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0)
        }
        #expect(size < bound + (2 << 20), "\(files) hold \(size)")
        try stage.search.startListening()
        stage.sendInvoke()
        let line = try stage.drainToTheEnd()
        let audit = courier.audit(stage.search)
        #expect(line.isBalanced, "\(line.fields)")
        #expect((line.count("discarded") ?? 0) > 0)
        #expect(audit.missing.count == line.count("discarded"), "\(line.fields)")
        #expect(stage.search.contains(failure.marker), "a failure went before plain lines did")
        #expect(!stage.search.contains(first.events[0].marker), "the oldest line outlived newer ones")
        #expect(audit.doubled.isEmpty)
    }

    @Test func `files shrink after a large drain, and memory does not grow in an outage`() throws {
        let stage = try stage { $0.variables["PERMAFROST_BATCH_EVENTS"] = "100" }
        defer { stage.close() }
        stage.search.stopListening()
        stage.sendInvoke()
        let courier = Courier(stage.markers)
        let port = try stage.port()
        for _ in 0..<10 { try courier.post(courier.body(50, bytes: 2000), port: port) }
        let early = try #require(stage.process?.residentBytes)
        for _ in 0..<200 { try courier.post(courier.body(50, bytes: 2000), port: port) }
        let late = try #require(stage.process?.residentBytes)
        #expect(late - early < 16 << 20 || Binary.isSanitized, "from \(early) to \(late)")
        func size() -> Int {
            (try? FileManager.default.attributesOfItem(atPath: stage.database)[.size] as? Int) ?? 0
        }
        #expect(size() > 8 << 20)
        try stage.search.startListening()
        eventually("the file has given its space back", within: .seconds(60)) { size() < 2 << 20 }
        courier.expectExact(stage.search, try stage.drainToTheEnd())
    }
}
