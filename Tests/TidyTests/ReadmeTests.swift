import ExtensionLifecycle
import Foundation
import TelemetryIntake
import TelemetryModel
import TelemetrySinks
import Testing

/// What the README says of the interface is what the code does.
@Suite struct ReadmeTests {
    @Test func `the table of variables is the list of variables`() throws {
        let rows = Repository.tableRows(in: try Repository.text(of: "README.md"), prefix: "PERMAFROST_")
        let names = rows.map { Repository.withoutBackticks($0[0]) }
        #expect(names.sorted() == EnvironmentKey.allCases.map(\.rawValue).sorted())
        for row in rows {
            guard let key = EnvironmentKey(rawValue: Repository.withoutBackticks(row[0])) else { continue }
            try #require(row.count == 4, "\(key.rawValue): variable, alias, default, meaning")
            #expect(Repository.withoutBackticks(row[1]) == key.alias ?? "", "\(key.rawValue)")
            // A default in words has no literal value.
            if row[2].isEmpty || row[2].hasPrefix("`") {
                #expect(Repository.withoutBackticks(row[2]) == key.defaultText, "\(key.rawValue)")
            } else {
                #expect(key.defaultText.isEmpty, "\(key.rawValue)")
            }
            #expect(!row[3].isEmpty, "\(key.rawValue)")
        }
    }

    @Test func `the table of metrics is what is pushed`() throws {
        let rows = Repository.tableRows(in: try Repository.text(of: "README.md"), prefix: "permafrost_")
        var told: [String: [String]] = [:]
        for row in rows {
            try #require(row.count >= 2)
            // `counter, `status`` is the kind and the labels beside those that all have.
            let words = Repository.withoutBackticks(row[1]).split(separator: ",").map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            told[Repository.withoutBackticks(row[0])] = words
        }
        let pushed = try Self.pushedFamilies()
        #expect(told.keys.sorted() == pushed.keys.sorted())
        for (family, words) in pushed { #expect(told[family] == words, "\(family)") }
    }

    /// Kind and labels of every family, from what a body with all kinds of reports makes.
    private static func pushedFamilies() throws -> [String: [String]] {
        let body = """
            [{"time":"2026-07-29T08:00:00.000Z","type":"platform.report","record":{"requestId":"r","status":"success",
            "metrics":{"durationMs":1,"billedDurationMs":1,"initDurationMs":1,"restoreDurationMs":1,"memorySizeMB":128,
            "maxMemoryUsedMB":64,"aMs":-1}}},
            {"time":"2026-07-29T08:00:00.000Z","type":"platform.logsDropped","record":{"droppedRecords":3}}]
            """
        let identity = try #require(EnvironmentID("0123456789abcdef"))
        let indices = Configuration(environment: [:]).indices
        let encoder = try BatchEncoder(configuration: IntakeConfiguration(indices: indices))
        let function = FunctionIdentity(name: "f", version: "1", accountID: "123456789012", region: "eu-west-1")
        let batch = Array(body.utf8).withUnsafeBytes {
            encoder.encode(
                body: $0, number: 1,
                state: IntakeState(identity: .environment(identity), lastAcknowledgementUncertain: false),
                function: function, receivedMs: 0, recall: { _ in nil })
        }
        var group = ExpositionGroup(function: function, ledger: batch.ledger)
        group.ledger.add(1, .rejected, LedgerReason.document)
        for observation in batch.observations {
            var sketch = QuantileSketch()
            sketch.observe(observation.value)
            group.summaries.append(ExpositionGroup.Summary(family: observation.family, sketch: sketch))
        }
        for counter in batch.counters {
            group.counters.append(
                ExpositionGroup.Counter(family: counter.family, labelValue: counter.labelValue, count: counter.count))
        }
        return families(of: String(decoding: Exposition.text(of: group), as: UTF8.self))
    }

    private static func families(of exposition: String) -> [String: [String]] {
        var families: [String: [String]] = [:]
        for line in exposition.split(separator: "\n") {
            let words = line.split(separator: " ")
            if line.hasPrefix("# TYPE "), words.count == 4 {
                families[String(words[2])] = [String(words[3])]
            } else if !line.hasPrefix("#"), let brace = line.firstIndex(of: "{") {
                let name = String(line[..<brace])
                guard var known = families[name], known[0] != "summary" else { continue }
                for label in line[brace...].matches(of: #/(\w+)="/#).map({ String($0.1) })
                where !["function_name", "function_version"].contains(label) && !known.contains(label) {
                    known.append(label)
                }
                families[name] = known
            }
        }
        return families
    }

    @Test func `the top level holds what the layout says and nothing else`() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Repository.root.path)
        #expect(
            Set(names.filter { !$0.hasPrefix(".") }) == [
                "Package.swift", "Sources", "Tests", "Benchmarks", "README.md", "layer",
            ])
    }
}
