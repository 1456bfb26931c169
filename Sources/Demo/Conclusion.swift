import Foundation
import LambdaSimulator

extension Story {
    /// Prints the books, what was found, and the figures. False when anything does not add up.
    func conclude() throws -> Bool {
        let documents = try backEnds.documents()
        var problems: [String] = []
        say("The books")
        printBooks(&problems)
        printAudit(documents, &problems)
        say("\nFound in OpenSearch")
        printDocuments(documents)
        say("\nFound in PushGateway, as Prometheus would scrape it")
        try printScrape(documents, &problems)
        say("\nFigures")
        printFigures()
        for life in lives { life.environment.close() }
        if problems.isEmpty {
            say("\nEverything adds up.")
        } else {
            say("\nThis does not add up:")
            for problem in problems { say("  \(problem)") }
        }
        return problems.isEmpty
    }

    // MARK: Books

    private func printBooks(_ problems: inout [String]) {
        for life in lives {
            let books = life.books.snapshot
            say(
                "  \(life.label): the platform got a 200 for \(books.acknowledgedElements) events in "
                    + "\(books.acknowledgedPosts) POSTs, dropped \(books.dropped.count)")
            let lines = life.environment.lines(extensionName)
            guard let closing = ClosingLine.last(in: lines),
                let line = lines.last(where: { ClosingLine($0.text) != nil })
            else {
                problems.append("\(life.label): the extension printed no closing line")
                continue
            }
            say("  \(life.label): \(line.text)")
            if !closing.isBalanced { problems.append("\(life.label): the closing line does not balance") }
            if let received = closing.count("received"), received < books.acknowledgedElements {
                problems.append("\(life.label): received \(received) < acknowledged \(books.acknowledgedElements)")
            }
            if let end = life.end?.ends[extensionName], end != .exited(0) {
                problems.append("\(life.label): the extension ended with \(end), not with exit 0")
            }
        }
    }

    private func closingSum(_ name: String) -> Int {
        lives.reduce(0) { $0 + (ClosingLine.last(in: $1.environment.lines(extensionName))?.count(name) ?? 0) }
    }

    private func printAudit(_ documents: [FoundDocument], _ problems: inout [String]) {
        let books = TelemetryBooks.Entries.sum(lives.map(\.books.snapshot))
        let audit = Auditor.audit(books, documents: documents.map { (id: $0.index + "/" + $0.id, source: $0.source) })
        say("  audit: \(audit)")
        let explained = closingSum("spooled") + closingSum("rejected") + closingSum("discarded")
        if audit.missing.count > explained {
            problems.append("\(audit.missing.count) acknowledged events are in no document, \(explained) are explained")
        }
        if !audit.doubled.isEmpty { problems.append("\(audit.doubled.count) events are in more than one document") }
        if !audit.foreign.isEmpty { problems.append("\(audit.foreign.count) documents hold no event of this run") }
        let delivered = closingSum("delivered")
        if delivered != documents.count {
            problems.append("the closing lines say delivered=\(delivered), OpenSearch holds \(documents.count)")
        }
    }

    // MARK: Finds

    private func printDocuments(_ documents: [FoundDocument]) {
        let byIndex = Dictionary(grouping: documents, by: \.index)
        for (index, found) in byIndex.sorted(by: { $0.key < $1.key }) {
            say("  \(index): \(found.count) documents")
            for sample in samples(found) {
                say("    \(sample.id)  \(String(decoding: sample.source, as: UTF8.self))")
            }
        }
    }

    /// A report, a text line and a JSON line say more than the events of init.
    private func samples(_ documents: [FoundDocument]) -> [FoundDocument] {
        ["\"platform.report\"", "\"message\":\"evt-", "\"marker\":\"evt-"].compactMap { sign in
            documents.first { String(decoding: $0.source, as: UTF8.self).contains(sign) }
        }
    }

    /// Only the groups of this run: a real gateway keeps those of others.
    private func printScrape(_ documents: [FoundDocument], _ problems: inout [String]) throws {
        let instances = Set(documents.compactMap { (try? StrictJSON.parse($0.source))?["faas", "instance"]?.text })
        let family = "permafrost_invocation_duration_seconds"
        let lines = try backEnds.scrape().split(separator: "\n").filter { line in
            line.contains(family)
                && (line.hasPrefix("#") || instances.contains { line.contains("instance=\"\($0)\"") })
        }
        for line in lines { say("  \(line)") }
        let counts = lines.filter { $0.hasPrefix(family + "_count") }
        if counts.count != lives.count {
            problems.append("\(counts.count) of \(lives.count) environments have a \(family)_count in PushGateway")
        }
    }

    // MARK: Figures

    private func printFigures() {
        let books = TelemetryBooks.Entries.sum(lives.map(\.books.snapshot))
        let starts = lives.flatMap { $0.environment.inits }.flatMap(\.extensions)
        let firsts = starts.compactMap { $0.firstNext?.milliseconds }.sorted()
        if let low = firsts.first, let high = firsts.last {
            say(String(format: "  exec to first next         %.1f to %.1f ms over %d starts", low, high, firsts.count))
        }
        let resident = starts.compactMap(\.residentBytes).max() ?? 0
        say(String(format: "  resident at the first next %.1f MiB", Double(resident) / 1_048_576))
        if let median = books.latency(0.5), let high = books.latency(0.99) {
            say(
                String(
                    format: "  POST to 200                p50 %.2f ms, p99 %.2f ms over %d POSTs, %.1f events each",
                    median * 1000, high * 1000, books.latencies.count,
                    Double(books.acknowledgedElements) / Double(max(1, books.acknowledgedPosts))))
        }
        let held = heldNext.map(\.milliseconds).sorted()
        if !held.isEmpty {
            let high = held[min(held.count - 1, held.count * 99 / 100)]
            say(
                String(
                    format: "  INVOKE to our next         p50 %.2f ms, p99 %.2f ms", held[held.count / 2], high))
        }
        if let disk, disk.events > 0 {
            say(
                String(
                    format:
                        "  on disk in the outage      %.0f bytes an event (%d bytes, write-ahead log included, %d events)",
                    Double(disk.bytes) / Double(disk.events), disk.bytes, disk.events))
        }
        say(String(format: "  the whole story            %.1f s", (ContinuousClock.now - began).seconds))
    }
}
