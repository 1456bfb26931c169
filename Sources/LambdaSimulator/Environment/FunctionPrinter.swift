/// What a function prints, as events: each gets a marker of its own.
struct FunctionPrinter {
    let environment: ExecutionEnvironment
    let requestID: String
    private(set) var markers: [String] = []

    init(environment: ExecutionEnvironment, requestID: String) {
        self.environment = environment
        self.requestID = requestID
    }

    mutating func print(_ logs: [FunctionLog], over duration: Duration) {
        let began = ContinuousClock.now
        // Pauses shorter than a millisecond cost more than they last: lines come in groups then.
        let step = duration / max(1, logs.count)
        var due = Duration.zero
        for log in logs {
            print(log)
            due += step
            let ahead = due - (.now - began)
            if ahead >= .milliseconds(1) { pause(ahead) }
        }
        pause(duration - (.now - began))
    }

    mutating func print(_ log: FunctionLog) {
        let marker = environment.markers.next()
        let time = WallClock.nowMs()
        let stamp = WallClock.iso8601(ms: time)
        let isJSON = environment.setup.logFormat == .json || environment.setup.isManagedInstances
        let record: JSONValue
        switch log {
        case .text(let text):
            record =
                isJSON
                ? [
                    "timestamp": .string(stamp), "level": "INFO", "requestId": .string(requestID),
                    "message": .string("\(marker) \(text)"),
                ] : .string("\(marker) \(text)\n")
        case .json(let members):
            let object = JSONValue.object([.init("marker", .string(marker))] + members)
            record = isJSON ? object : .string(object.description + "\n")
        case .record(let bytes):
            emitRaw(bytes, marker: marker, time: time)
            return
        }
        var event = TelemetryEvent(timeMs: time, type: "function", record: record.encoded, key: .marker(marker))
        if case .object = record { event.isStructuredLog = true }
        markers.append(marker)
        environment.stream.emit(event)
    }

    private mutating func emitRaw(_ bytes: [UInt8], marker: String, time: Int64) {
        let placeholder = Array("{marker}".utf8)
        var record = bytes
        var key = EventKey.line(time: WallClock.iso8601(ms: time), text: String(decoding: bytes, as: UTF8.self))
        if let place = record.firstRange(of: placeholder) {
            record.replaceSubrange(place, with: Array(marker.utf8))
            key = .marker(marker)
            markers.append(marker)
        }
        environment.stream.emit(TelemetryEvent(timeMs: time, type: "function", record: record, key: key))
    }
}
