import Foundation
import LambdaSimulator
import Testing

/// A real OpenSearch that refuses: what the stand-in is taught to say is said here by the node itself.
@Suite(
    .together, .serialized,
    .enabled(if: RealServers.openSearchStart != nil, "needs ../shared/opensearch/start with java, to set the node up"))
struct RealOpenSearchFaultTests {
    /// A stage whose documents go to `<prefix>-function` and `<prefix>-platform` of `node`.
    private func stage(
        _ node: RealOpenSearch, _ prefix: String, _ configure: (inout EnvironmentSetup) -> Void = { _ in }
    ) throws -> Stage {
        try Stage { setup in
            setup.variables["PERMAFROST_OPENSEARCH_URL"] = node.url
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "15"
            setup.variables["PERMAFROST_INDEX_SETUP"] = "none"
            setup.variables["PERMAFROST_INDEX_PLATFORM"] = prefix + "-platform"
            setup.variables["PERMAFROST_INDEX_FUNCTION"] = prefix + "-function"
            configure(&setup)
        }
    }

    private func expectBalance(
        _ stage: Stage, _ line: ClosingLine, _ found: [RemoteSearch.Hit], _ comment: Comment? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let audit = Auditor.audit(
            stage.books.snapshot, documents: found.map { (id: $0.index + "/" + $0.id, source: $0.source) })
        #expect(audit.isBalanced, "\(comment ?? ""): \(audit)", sourceLocation: sourceLocation)
        #expect(line.isBalanced, "\(comment ?? ""): \(line.fields)", sourceLocation: sourceLocation)
    }

    // MARK: An index that waits for its operator

    private struct Block: Sendable {
        var name: String
        /// No document goes in before the fault.
        var isMissing = false
        var strike: @Sendable (RealOpenSearch, _ index: String) throws -> Void
        var heal: @Sendable (RealOpenSearch, _ index: String) throws -> Void

        static func setting(_ name: String, _ setting: String, _ value: String, healed: String = "null") -> Block {
            Block(
                name: name,
                strike: { try $0.ask("PUT", "/\($1)/_settings", "{\"\(setting)\":\(value)}") },
                heal: { try $0.ask("PUT", "/\($1)/_settings", "{\"\(setting)\":\(healed)}") })
        }

        static func cluster(_ name: String, _ setting: String, _ value: @escaping @Sendable (String) -> String) -> Block
        {
            @Sendable func set(_ node: RealOpenSearch, _ value: String) throws {
                try node.ask("PUT", "/_cluster/settings", "{\"persistent\":{\"\(setting)\":\(value)}}")
            }
            return Block(
                name: name, isMissing: true, strike: { try set($0, value($1)) },
                heal: { node, _ in try set(node, "null") })
        }

        static let all = [
            Block(
                name: "closed", strike: { try $0.ask("POST", "/\($1)/_close") },
                heal: { try $0.ask("POST", "/\($1)/_open") }),
            setting("write-blocked", "index.blocks.write", "true"),
            setting("read-only", "index.blocks.read_only", "true"),
            setting("flood-stage", "index.blocks.read_only_allow_delete", "true"),
            setting("no-pipeline", "index.default_pipeline", "\"nobody-made-it\""),
            // An empty primary only: one that has been there is given its place again whatever the setting says.
            Block(
                name: "no-primary", isMissing: true,
                strike: { node, index in
                    try node.ask(
                        "PUT", "/\(index)?wait_for_active_shards=0",
                        "{\"settings\":{\"index.routing.allocation.require._name\":\"nobody\"}}")
                },
                heal: { node, index in
                    try node.ask("PUT", "/\(index)/_settings", "{\"index.routing.allocation.require._name\":null}")
                }),
            cluster("no-auto-create", "action.auto_create_index") { "\"-\($0),+*\"" },
            // The last to strike: no index can be made from then on.
            cluster("shard-limit", "cluster.max_shards_per_node") { _ in "1" },
        ]
    }

    @Test func `closed, blocked, full, without primary, pipeline or index: events wait, others go on, all heals`()
        throws
    {
        let node = try RealOpenSearch(ours: [])
        defer { node.close() }
        let stages = try Block.all.map { (block: $0, stage: try stage(node, $0.name)) }
        defer { for (_, stage) in stages { stage.close() } }
        func count(_ block: Block, _ kind: String) -> Int { node.count(block.name + "-" + kind) }

        for (block, stage) in stages {
            try node.ask("PUT", "/\(block.name)-platform", "{}")
            _ = try stage.environment.start()
            guard !block.isMissing else { continue }
            try stage.environment.invoke(.warm(20))
        }
        for (block, _) in stages where !block.isMissing {
            eventually("documents before '\(block.name)'", within: .seconds(60)) { count(block, "function") >= 20 }
        }
        var before: [String: (function: Int, platform: Int)] = [:]
        for (block, stage) in stages {
            // What came first has arrived, with whatever was on its way.
            eventually("the first invocation of '\(block.name)' is delivered", within: .seconds(60)) {
                block.isMissing || count(block, "function") == 20
            }
            before[block.name] = (count(block, "function"), count(block, "platform"))
            try block.strike(node, block.name + "-function")
            try stage.environment.invoke(.warm(20))
            try stage.environment.invoke(.warm(20))
        }
        for (block, stage) in stages {
            eventually("the platform's events pass by '\(block.name)'", within: .seconds(90)) {
                count(block, "platform") > (before[block.name]?.platform ?? 0) + 3
            }
            eventually("the refusal of '\(block.name)' is told", within: .seconds(60)) {
                !stage.lines(containing: "event=index_unavailable").isEmpty
                    || !stage.lines(containing: "event=documents_refused").isEmpty
            }
        }
        for (block, _) in stages where !["closed", "no-primary"].contains(block.name) {
            #expect(count(block, "function") == before[block.name]?.function, "\(block.name) took something")
        }
        for (block, _) in stages.reversed() { try block.heal(node, block.name + "-function") }
        for (block, stage) in stages {
            let expected = (before[block.name]?.function ?? 0) + 40
            eventually("'\(block.name)' heals by itself", within: .seconds(120)) {
                count(block, "function") >= expected
            }
            let line = try stage.drainToTheEnd()
            expectBalance(stage, line, node.hits(block.name + "-*"), "\(block.name)")
            #expect(line.count("rejected") == 0 && line.count("discarded") == 0, "\(block.name): \(line.fields)")
        }
    }

    // MARK: Documents at fault

    @Test
    func `an object first, then a scalar: stored as text; refused in both shapes: a reject, replayed when it can be`()
        throws
    {
        let node = try RealOpenSearch(ours: [])
        defer { node.close() }
        let stage = try stage(node, "faults") { setup in
            setup.logFormat = .json
            setup.variables["PERMAFROST_TYPES"] = "function"
            setup.variables["PERMAFROST_INDEX_SETUP"] = "template"
        }
        defer { stage.close() }
        func invoke(_ logs: [FunctionLog]) throws {
            var invocation = Invocation(logs: logs)
            invocation.afterwards = .stayWarm
            try stage.environment.invoke(invocation)
            #expect(stage.environment.deliverTelemetry())
        }
        func shaped() -> [RemoteSearch.Hit] {
            node.hits("faults-function").filter {
                String(decoding: $0.source, as: UTF8.self).contains("\"record_text\"")
            }
        }

        try invoke((0..<20).map { _ in .json([.init("odd", ["inner": "object"])]) })
        eventually("the objects arrive", within: .seconds(60)) { node.count("faults-function") == 20 }
        #expect(shaped().isEmpty)
        try invoke((0..<20).map { $0 == 7 ? .json([.init("odd", "scalar")]) : .json([.init("even", .integer($0))]) })
        eventually("all of them arrive", within: .seconds(60)) { node.count("faults-function") == 40 }
        #expect(shaped().count == 1)
        #expect(shaped().allSatisfy { String(decoding: $0.source, as: UTF8.self).contains("scalar") })

        // A mapping that takes neither the field nor `record_text`.
        let fields = ["faas", "cloud"].map { "\"\($0)\":{\"type\":\"object\",\"dynamic\":true}" }.joined(separator: ",")
        try node.ask(
            "PUT", "/strict",
            """
            {"mappings":{"dynamic":"strict","properties":{"@timestamp":{"type":"date"},"time":{"type":"date"},\
            "type":{"type":"keyword"},"record":{"type":"object","dynamic":true,"properties":{"odd":{"type":"object"}}},\(fields)}}}
            """)
        try stage.shutdown()
        try stage.restart { $0.variables["PERMAFROST_INDEX_FUNCTION"] = "strict" }
        try invoke((0..<20).map { .json([.init($0 == 3 ? "odd" : "even", .integer($0))]) })
        eventually("the reject is told", within: .seconds(60)) {
            !stage.lines(containing: "event=documents_rejected").isEmpty
        }
        let (_, line) = try stage.shutdown()
        #expect(line.count("rejected") == 1 && line.isBalanced, "\(line.fields)")

        let listed = try tool(["inspect", stage.directory + "/permafrost", "--rejects", "--json"])
        #expect(listed.status == 0 && listed.output.contains("strict_dynamic_mapping_exception"), "\(listed)")
        #expect(try tool(["replay", stage.directory + "/permafrost", "--url", node.url]).status == 1)
        try node.ask("PUT", "/strict/_mapping", "{\"properties\":{\"record_text\":{\"type\":\"text\"}}}")
        let replayed = try tool(["replay", stage.directory + "/permafrost", "--url", node.url])
        #expect(replayed.status == 0 && replayed.output.contains("taken     1 "), "\(replayed)")
        expectBalance(stage, line, node.hits("faults-function,strict"))
    }

    private func tool(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let child = try Child(Binary.permafrost, arguments)
        let status = child.wait()
        return (status, child.output)
    }

    // MARK: Sizes

    private func load(_ stage: Stage, large bytes: Int) throws {
        var invocation = Invocation.logging(300, bytes: 2000, duration: .milliseconds(50))
        invocation.logs.insert(.text(String(repeating: "too large ", count: bytes / 10)), at: 120)
        invocation.afterwards = .stayWarm
        try stage.environment.invoke(invocation)
        #expect(stage.environment.deliverTelemetry())
    }

    @Test func `413: halved until it fits, alone it is a reject that can be replayed`() throws {
        let node = try RealOpenSearch(ours: ["-E", "http.max_content_length=64kb"])
        defer { node.close() }
        let stage = try stage(node, "large") { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "100"
            setup.variables["PERMAFROST_TYPES"] = "function"
        }
        defer { stage.close() }
        try load(stage, large: 100_000)
        eventually("all others are stored", within: .seconds(90)) { node.count("large-function") == 300 }
        eventually("the reject is told") { !stage.lines(containing: "event=documents_rejected").isEmpty }
        let line = try stage.drainToTheEnd()
        #expect(line.count("rejected") == 1 && line.count("delivered") == 300 && line.isBalanced, "\(line.fields)")
        node.crash()
        try node.restart([])
        let replayed = try tool(["replay", stage.directory + "/permafrost", "--url", node.url])
        #expect(replayed.status == 0, "\(replayed)")
        expectBalance(stage, line, node.hits("large-*"))
    }

    @Test func `429 of the whole request: halved until it fits, alone it waits`() throws {
        let node = try RealOpenSearch(ours: ["-E", "indexing_pressure.memory.limit=20kb"])
        defer { node.close() }
        let stage = try stage(node, "pressed") { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "100"
            setup.variables["PERMAFROST_TYPES"] = "function"
        }
        defer { stage.close() }
        try load(stage, large: 60_000)
        eventually("all others are stored", within: .seconds(120)) { node.count("pressed-function") == 300 }
        let (_, waiting) = try stage.shutdown()
        #expect(waiting.count("spooled") == 1 && waiting.isBalanced, "\(waiting.fields)")
        node.crash()
        try node.restart([])
        try stage.restart()
        stage.sendInvoke()
        eventually("it is taken where there is room", within: .seconds(60)) {
            node.count("pressed-function") == 301
        }
        let line = try stage.drainToTheEnd()
        #expect(line.count("rejected") == 0, "\(line.fields)")
        expectBalance(stage, line, node.hits("pressed-*"))
    }

    // MARK: Rights

    @Test func `no right to an index, and wrong credentials: events wait for the right ones`() throws {
        let node = try RealOpenSearch(ours: ["--security"])
        defer { node.close() }
        func address(_ login: String) -> String {
            node.url.replacing("127.0.0.1", with: "localhost").replacing("https://", with: "https://\(login)@")
        }
        let stage = try stage(node, "lambda") { setup in
            setup.variables["PERMAFROST_OPENSEARCH_URL"] = address("writer:writer")
            setup.variables["PERMAFROST_INDEX_PLATFORM"] = "foreign-platform"
            setup.variables["PERMAFROST_INDEX_SETUP"] = "template"
            setup.variables["SSL_CERT_FILE"] = node.authority
        }
        defer { stage.close() }
        try stage.environment.invoke(.warm(30))
        #expect(stage.environment.deliverTelemetry())
        eventually("the refusal is told", within: .seconds(60)) {
            !stage.lines(containing: "event=index_unavailable").isEmpty
        }
        let refused = try stage.shutdown().books
        #expect(refused.count("delivered") == 30 && refused.isBalanced, "\(refused.fields)")

        try stage.restart { $0.variables["PERMAFROST_OPENSEARCH_URL"] = address("admin:mistyped") }
        stage.sendInvoke()
        eventually("the wrong password is told", within: .seconds(30)) {
            !stage.lines(containing: "event=opensearch_unauthorized").isEmpty
        }
        let waiting = try stage.shutdown().books
        #expect(waiting.count("delivered") == 30 && waiting.isBalanced, "\(waiting.fields)")

        try stage.restart { $0.variables["PERMAFROST_OPENSEARCH_URL"] = address("admin:admin") }
        stage.sendInvoke()
        let line = try stage.shutdown().books
        #expect(line.count("spooled") == 0 && line.count("rejected") == 0, "\(line.fields)")
        #expect(stage.lines(containing: "mistyped").isEmpty)

        // The same data without the plugin: read by anybody.
        node.crash()
        try node.restart([])
        expectBalance(stage, line, node.hits("lambda-function,foreign-platform"))
    }

    // MARK: A node that dies

    @Test func `a node that is killed again and again in the middle of a drain: nothing lost, nothing double`() throws {
        let node = try RealOpenSearch(ours: [])
        defer { node.close() }
        let stage = try stage(node, "killed") { setup in
            setup.variables["PERMAFROST_BATCH_EVENTS"] = "100"
            setup.variables["PERMAFROST_REQUEST_BYTES"] = "65536"
            setup.variables["PERMAFROST_TYPES"] = "function"
        }
        defer { stage.close() }
        for _ in 0..<4 {
            let before = node.count("killed-*")
            node.crash()
            try stage.environment.invoke(.warm(4000))
            try node.restart()
            eventually("the drain is under way", within: .seconds(90)) { node.count("killed-*") > before }
        }
        let acknowledged = stage.books.acknowledgedCount
        eventually("all of it is there", within: .seconds(180)) { node.count("killed-*") >= acknowledged }
        let line = try stage.drainToTheEnd()
        #expect(line.count("rejected") == 0 && line.count("discarded") == 0, "\(line.fields)")
        expectBalance(stage, line, node.hits("killed-*"))
    }
}
