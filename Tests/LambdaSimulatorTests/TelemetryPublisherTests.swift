import Testing

@testable import LambdaSimulator

@Suite struct TelemetryPublisherTests {
    private func text(_ body: [UInt8]) -> String { String(decoding: body, as: UTF8.self) }

    private func markers(_ body: [UInt8]) throws -> [String] {
        try #require(StrictJSON.parse(body).elements).compactMap { $0["record"]?.text.map { String($0.prefix(19)) } }
    }

    private func marker(_ number: Int) -> String {
        "evt-00000000-" + String(repeating: "0", count: 6 - String(number).count) + String(number)
    }

    private func publisher(
        _ receiver: TelemetryReceiver, options: PublisherOptions = PublisherOptions(), maxItems: Int = 1000,
        maxBytes: Int = 262_144, timeoutMs: Int = 25
    ) -> TelemetryPublisher {
        TelemetryPublisher(
            extensionName: "test",
            subscription: Fixtures.subscription(
                port: receiver.server.port, maxItems: maxItems, maxBytes: maxBytes, timeoutMs: timeoutMs),
            options: options, books: TelemetryBooks())
    }

    @Test func `events of other streams are not delivered`() throws {
        let receiver = try TelemetryReceiver()
        let publisher = publisher(receiver)
        defer { _ = publisher.close() }
        publisher.offer(Fixtures.event(marker(1), stream: "extension"))
        publisher.offer(Fixtures.event(marker(2)))
        #expect(publisher.drain(timeout: .seconds(5)))
        #expect(try receiver.bodies(1).map { try markers($0) } == [[marker(2)]])
        #expect(publisher.books.offeredCount == 1)
    }

    @Test func `a batch goes out when maxItems are there, long before its time`() throws {
        let receiver = try TelemetryReceiver()
        let publisher = publisher(receiver, maxItems: 1000, timeoutMs: 30_000)
        defer { _ = publisher.close() }
        for number in 1...1500 { publisher.offer(Fixtures.event(marker(number))) }
        #expect(try markers(receiver.bodies(1)[0]).count == 1000)
        publisher.flush()
        #expect(try markers(receiver.bodies(2)[1]) == (1001...1500).map { marker($0) })
    }

    @Test func `the time of a batch begins with its first event, however long there was none`() throws {
        let receiver = try TelemetryReceiver()
        let publisher = publisher(receiver)
        defer { _ = publisher.close() }
        var best = Duration.seconds(10)
        for number in 1...5 {
            // The publisher's thread waits for events by now, and a second would be its longest wait.
            pause(.milliseconds(30))
            let offered = ContinuousClock.now
            publisher.offer(Fixtures.event(marker(number)))
            #expect(receiver.bodies(number).count == number)
            best = min(best, ContinuousClock.now - offered)
        }
        #expect(best >= .milliseconds(20))
        #expect(best < .milliseconds(500))
    }

    @Test func `a batch goes out when maxBytes are reached`() throws {
        let receiver = try TelemetryReceiver()
        let publisher = publisher(receiver, maxBytes: 4000, timeoutMs: 30_000)
        defer { _ = publisher.close() }
        for number in 1...50 {
            publisher.offer(Fixtures.event(marker(number), text: String(repeating: "x", count: 120)))
        }
        let first = try #require(receiver.bodies(1).first)
        #expect((4000...4300).contains(first.count))
    }

    @Test func `a refused batch comes again with the same bytes until it is taken`() throws {
        let receiver = try TelemetryReceiver()
        receiver.state.withLock { $0.statuses = [503, 500] }
        let publisher = publisher(receiver)
        defer { _ = publisher.close() }
        publisher.offer(Fixtures.event(marker(1)))
        #expect(publisher.drain(timeout: .seconds(10)))
        let bodies = receiver.bodies(3)
        #expect(bodies.count == 3)
        #expect(Set(bodies).count == 1)
        let books = publisher.books.snapshot
        #expect(books.refusals == [503: 1, 500: 1])
        #expect(books.acknowledged == [.marker(marker(1))])
        #expect(books.acknowledgedElements == 1)
        #expect(books.latencies.count == 1)
    }

    @Test func `the emulator's mode drops a refused batch and reports it`() throws {
        let receiver = try TelemetryReceiver()
        receiver.state.withLock { $0.statuses = [500] }
        var options = PublisherOptions()
        options.onRefusal = .drop
        let publisher = publisher(receiver, options: options)
        defer { _ = publisher.close() }
        publisher.offer(Fixtures.event(marker(1)))
        let second = try #require(receiver.bodies(2).last)
        #expect(text(second).contains(#""type":"platform.logsDropped""#))
        #expect(text(second).contains(#""droppedRecords":1"#))
        #expect(publisher.books.droppedCount == 1)
    }

    @Test(arguments: [LostAnswer.beforeAnswer, .unread])
    func `after a lost answer the same body comes again`(how: LostAnswer) throws {
        let receiver = try TelemetryReceiver()
        let publisher = publisher(receiver)
        defer { _ = publisher.close() }
        publisher.loseAnswers(how, then: .sameBody)
        publisher.offer(Fixtures.event(marker(1)))
        #expect(publisher.drain(timeout: .seconds(5)))
        let bodies = receiver.bodies(how == .unread ? 2 : 1)
        #expect(Set(bodies).count == 1)
        let books = publisher.books.snapshot
        #expect(books.elementsWithLostAnswer == 1)
        #expect(books.redeliveries == 1)
        #expect(books.acknowledgedElements == 1)
    }

    @Test func `a regrouped repetition begins with the old events and goes on with new ones`() throws {
        let receiver = try TelemetryReceiver()
        let publisher = publisher(receiver)
        defer { _ = publisher.close() }
        publisher.offer(Fixtures.event(marker(1)))
        #expect(publisher.drain(timeout: .seconds(5)))
        publisher.pause()
        publisher.redeliver(.regrouped)
        publisher.offer(Fixtures.event(marker(2)))
        publisher.resume()
        #expect(publisher.drain(timeout: .seconds(5)))
        #expect(try receiver.bodies(2).map { try markers($0) } == [[marker(1)], [marker(1), marker(2)]])
    }

    @Test func `a paused publisher posts nothing, and its timer fires late`() throws {
        let receiver = try TelemetryReceiver()
        let publisher = publisher(receiver)
        defer { _ = publisher.close() }
        publisher.pause()
        publisher.offer(Fixtures.event(marker(1)))
        #expect(receiver.bodies(1, timeout: .milliseconds(100)).isEmpty)
        publisher.resume()
        #expect(receiver.bodies(1).count == 1)
    }

    @Test func `what a slow receiver has no room for is dropped and reported`() throws {
        let receiver = try TelemetryReceiver()
        var options = PublisherOptions()
        options.bufferBytes = 0
        let publisher = publisher(receiver, options: options, maxBytes: 5000)
        defer { _ = publisher.close() }
        publisher.pause()
        for number in 1...200 { publisher.offer(Fixtures.event(marker(number))) }
        publisher.resume()
        #expect(publisher.drain(timeout: .seconds(5)))
        let books = publisher.books.snapshot
        #expect(books.dropped.count > 50)
        // Everything else arrived, the report of the drop included.
        #expect(books.acknowledged.count == books.offered.count - books.dropped.count)
        let reports = receiver.bodies(1).filter { text($0).contains("platform.logsDropped") }
        #expect(text(reports.first ?? []).contains("\"droppedRecords\":\(books.dropped.count)"))
    }

    @Test func `a blocking publisher loses nothing`() throws {
        let receiver = try TelemetryReceiver()
        var options = PublisherOptions()
        options.bufferBytes = 0
        options.overflow = .block
        let publisher = publisher(receiver, options: options, maxBytes: 5000)
        defer { _ = publisher.close() }
        for number in 1...500 { publisher.offer(Fixtures.event(marker(number))) }
        #expect(publisher.drain(timeout: .seconds(10)))
        #expect(publisher.books.acknowledgedCount == 500)
        #expect(publisher.books.droppedCount == 0)
    }

    @Test(arguments: [nil, 7])
    func `a record above maxBytes goes out in parts that are no JSON, in order`(chunkBytes: Int?) throws {
        let receiver = try TelemetryReceiver()
        var options = PublisherOptions()
        options.chunkBytes = chunkBytes
        options.connections = 3
        let publisher = publisher(receiver, options: options, maxBytes: 1000)
        defer { _ = publisher.close() }
        publisher.pause()
        publisher.offer(Fixtures.event(marker(1)))
        publisher.offer(Fixtures.event(marker(2), text: String(repeating: "ab", count: 1000)))
        publisher.offer(Fixtures.event(marker(3)))
        publisher.resume()
        #expect(publisher.drain(timeout: .seconds(5)))
        let bodies = receiver.bodies(3).map(text)
        #expect(bodies.count == 3)
        #expect(bodies[0].contains(marker(1)))
        #expect(bodies[0].hasSuffix("ab}]") || bodies[0].hasSuffix("ba}]"))
        #expect(bodies[1].hasPrefix(#"[{"time":"2026-07-29T08:00:00.000Z","type":"function","record":"#))
        #expect(bodies[2].contains(marker(3)))
        #expect(publisher.books.acknowledgedCount == 3)
        #expect(publisher.books.snapshot.acknowledgedElements == 5)
    }

    @Test func `what a closed publisher had not delivered goes to its successor as it was`() throws {
        let receiver = try TelemetryReceiver()
        receiver.state.withLock { $0.statuses = [503] }
        var options = PublisherOptions()
        options.firstBackoff = .seconds(60)
        let first = publisher(receiver, options: options)
        first.offer(Fixtures.event(marker(1)))
        #expect(receiver.bodies(1).count == 1)
        first.offer(Fixtures.event(marker(2)))
        let leftover = first.close()
        let second = TelemetryPublisher(
            extensionName: "test", subscription: first.subscription, options: PublisherOptions(), books: first.books,
            leftover: leftover)
        defer { _ = second.close() }
        #expect(second.drain(timeout: .seconds(5)))
        #expect(try receiver.bodies(3).map { try markers($0) } == [[marker(1)], [marker(1)], [marker(2)]])
        #expect(first.books.acknowledgedCount == 2)
    }
}
