/// The platform's events, field by field as the Telemetry API's schema 2025-01-29 has them.
package enum PlatformEvents {
    static func event(_ type: String, requestID: String = "", _ record: JSONValue) -> TelemetryEvent {
        let time = WallClock.uniqueMs()
        return TelemetryEvent(
            timeMs: time, type: type, record: record.encoded,
            key: .platform(type: type, time: WallClock.iso8601(ms: time), requestID: requestID))
    }

    static func initStart(_ setup: EnvironmentSetup, phase: String, instanceID: String) -> TelemetryEvent {
        event(
            "platform.initStart",
            [
                "initializationType": .string(setup.initializationType.rawValue), "phase": .string(phase),
                "functionName": .string(setup.functionName), "functionVersion": .string(setup.functionVersion),
                "instanceId": .string(instanceID), "instanceMaxMemory": .integer(setup.memorySizeMB),
                "runtimeVersion": "simulated:1.v1",
                "runtimeVersionArn": .string("arn:aws:lambda:\(setup.region)::runtime:simulated"),
            ])
    }

    static func initRuntimeDone(_ setup: EnvironmentSetup, phase: String, status: String = "success") -> TelemetryEvent
    {
        event(
            "platform.initRuntimeDone",
            [
                "initializationType": .string(setup.initializationType.rawValue), "phase": .string(phase),
                "status": .string(status),
            ])
    }

    static func initReport(
        _ setup: EnvironmentSetup, phase: String, milliseconds: Double, status: String = "success"
    ) -> TelemetryEvent {
        event(
            "platform.initReport",
            [
                "initializationType": .string(setup.initializationType.rawValue), "phase": .string(phase),
                "status": .string(status), "metrics": ["durationMs": .double(thousandths(milliseconds))],
            ])
    }

    static func restoreStart(_ setup: EnvironmentSetup, instanceID: String) -> TelemetryEvent {
        event(
            "platform.restoreStart",
            [
                "functionName": .string(setup.functionName), "functionVersion": .string(setup.functionVersion),
                "instanceId": .string(instanceID), "instanceMaxMemory": .integer(setup.memorySizeMB),
                "runtimeVersion": "simulated:1.v1",
                "runtimeVersionArn": .string("arn:aws:lambda:\(setup.region)::runtime:simulated"),
            ])
    }

    static func restoreRuntimeDone() -> TelemetryEvent { event("platform.restoreRuntimeDone", ["status": "success"]) }

    static func restoreReport(milliseconds: Double) -> TelemetryEvent {
        event(
            "platform.restoreReport",
            ["status": "success", "metrics": ["durationMs": .double(thousandths(milliseconds))]])
    }

    static func `extension`(_ agent: ExtensionAgent) -> TelemetryEvent {
        event(
            "platform.extension",
            [
                "name": .string(agent.name), "state": .string(agent.state.rawValue),
                "events": .array(agent.events.map { .string($0.rawValue) }.sorted { $0.description < $1.description }),
            ])
    }

    static func telemetrySubscription(_ name: String, types: [String]) -> TelemetryEvent {
        event(
            "platform.telemetrySubscription",
            ["name": .string(name), "state": "Subscribed", "types": .array(types.map { .string($0) })])
    }

    static func logsDropped(records: Int, bytes: Int) -> TelemetryEvent {
        event(
            "platform.logsDropped",
            [
                "droppedBytes": .integer(bytes), "droppedRecords": .integer(records),
                "reason": "the downstream consumer is slower than the logs production rate",
            ])
    }

    static func start(requestID: String, version: String, traceHeader: String?) -> TelemetryEvent {
        var members: [JSONValue.Member] = [
            .init("requestId", .string(requestID)), .init("version", .string(version)),
        ]
        if let traceHeader {
            members.append(
                .init(
                    "tracing",
                    ["spanId": "0a1b2c3d4e5f6071", "type": "X-Amzn-Trace-Id", "value": .string(traceHeader)]))
        }
        return event("platform.start", requestID: requestID, .object(members))
    }

    static func runtimeDone(
        requestID: String, status: String, errorType: String? = nil, milliseconds: Double
    ) -> TelemetryEvent {
        let start = WallClock.iso8601(ms: WallClock.nowMs() - Int64(milliseconds))
        var members: [JSONValue.Member] = [
            .init("requestId", .string(requestID)), .init("status", .string(status)),
        ]
        if let errorType { members.append(.init("errorType", .string(errorType))) }
        members.append(
            .init("metrics", ["durationMs": .double(thousandths(milliseconds)), "producedBytes": 42]))
        members.append(
            .init(
                "spans",
                [
                    [
                        "name": "responseLatency", "start": .string(start),
                        "durationMs": .double(thousandths(milliseconds)),
                    ]
                ]))
        return event("platform.runtimeDone", requestID: requestID, .object(members))
    }

    /// What a report says; `nil` metrics are left out.
    struct Report {
        var requestID: String
        var status: String
        var errorType: String?
        var durationMs: Double
        var initDurationMs: Double?
        var restoreDurationMs: Double?
        var memorySizeMB: Int
        var maxMemoryUsedMB: Int
        var extensionOverheadMs: Double
    }

    static func report(_ report: Report, isManagedInstances: Bool) -> TelemetryEvent {
        var metrics: [JSONValue.Member] = [.init("durationMs", .double(thousandths(report.durationMs)))]
        if !isManagedInstances {
            let billed = (report.durationMs + (report.initDurationMs ?? 0)).rounded(.up)
            metrics += [
                .init("billedDurationMs", .integer(Int(billed))), .init("memorySizeMB", .integer(report.memorySizeMB)),
                .init("maxMemoryUsedMB", .integer(report.maxMemoryUsedMB)),
            ]
            if let initMs = report.initDurationMs, initMs > 0 {
                metrics.append(.init("initDurationMs", .double(thousandths(initMs))))
            }
            if let restoreMs = report.restoreDurationMs {
                metrics.append(.init("restoreDurationMs", .double(thousandths(restoreMs))))
            }
        }
        var members: [JSONValue.Member] = [
            .init("requestId", .string(report.requestID)), .init("status", .string(report.status)),
        ]
        if let errorType = report.errorType { members.append(.init("errorType", .string(errorType))) }
        members.append(.init("metrics", .object(metrics)))
        let start = WallClock.iso8601(ms: WallClock.nowMs() - Int64(report.extensionOverheadMs))
        members.append(
            .init(
                "spans",
                [
                    [
                        "name": isManagedInstances ? "responseLatency" : "extensionOverhead", "start": .string(start),
                        "durationMs": .double(thousandths(report.extensionOverheadMs)),
                    ]
                ]))
        return event("platform.report", requestID: report.requestID, .object(members))
    }

    private static func thousandths(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}
