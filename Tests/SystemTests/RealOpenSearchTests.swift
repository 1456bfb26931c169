import Foundation
import LambdaSimulator
import Testing

/// The whole way into a real OpenSearch, whose process dies in the middle.
@Suite(
    .together, .serialized,
    .enabled(
        if: RealServers.openSearchURL != nil || RealServers.openSearchStart != nil,
        RealServers.openSearchReason))
struct RealOpenSearchTests {
    private func documents(_ url: String, _ prefix: String) throws -> [RemoteSearch.Hit] {
        try RemoteSearch(url: url).hits(indices: prefix + "-*")
    }

    @Test func `text, JSON, mapping conflicts and a node that is killed in the middle: nothing lost, nothing double`()
        throws
    {
        let node = try RealOpenSearch()
        defer { node.close() }
        let prefix = "system-\(UInt32.random(in: 0...UInt32.max))"
        let stage = try Stage { setup in
            setup.logFormat = .json
            setup.variables["PERMAFROST_OPENSEARCH_URL"] = node.url
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "25"
            setup.variables["PERMAFROST_INDEX_PLATFORM"] = prefix + "-platform"
            setup.variables["PERMAFROST_INDEX_FUNCTION"] = prefix + "-function"
        }
        defer { stage.close() }
        func load(_ invocations: Int) throws {
            for number in 0..<invocations {
                var logs: [FunctionLog] = (0..<10).map { .text("line \($0) of a text log with ü and \u{7} in it") }
                logs += (0..<5).map { .json([.init("message", "order"), .init("n", .integer($0))]) }
                // One field, many types: the mapping takes the first.
                logs += [
                    .json([.init("odd", "text")]), .json([.init("odd", 17)]), .json([.init("odd", ["a": 1])]),
                    .json([.init("odd", [1, "two", ["three": 3]])]), .json([.init("level", ["of": "detail"])]),
                ]
                var invocation = Invocation(logs: logs)
                invocation.afterwards = number % 3 == 0 ? .freeze : .stayWarm
                try stage.environment.invoke(invocation)
            }
        }
        try load(8)
        stage.environment.thaw()
        eventually("documents arrive", within: .seconds(30)) {
            node.count(prefix + "-*") > 20
        }
        if node.isOurs {
            node.crash()
            try load(6)
            try node.restart()
        }
        try load(6)
        #expect(stage.environment.deliverTelemetry())
        stage.environment.thaw()
        let acknowledged = stage.books.acknowledgedCount
        eventually("all of it is there before SHUTDOWN", within: .seconds(180)) {
            node.count(prefix + "-*") >= acknowledged - 1
        }
        let line = try stage.drainToTheEnd()
        let found = try documents(node.url, prefix)
        let audit = Auditor.audit(
            stage.books.snapshot, documents: found.map { (id: $0.index + "/" + $0.id, source: $0.source) })
        #expect(audit.isBalanced, "\(audit)")
        #expect(line.isBalanced, "\(line.fields)")
        #expect(line.count("delivered") == found.count && line.count("rejected") == 0, "\(line.fields)")
        let shaped = found.count { String(decoding: $0.source, as: UTF8.self).contains("\"record_text\"") }
        #expect(shaped < found.count / 4, "\(shaped) of \(found.count) had to be shaped")
    }
}
