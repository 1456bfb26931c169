import LambdaSimulator
import Testing

/// Invariants 1, 2, 3 and 5 under everything at once: SIGKILLs, timeouts, crashes, freezes, lost answers, repetitions, cut
/// records, a deleted spool, a breaking network, back ends that fail in every way.
///
/// `PERMAFROST_SOAK_INVOCATIONS` sets the length, `PERMAFROST_SOAK_SEED` repeats a run; a failure names its seed.
@Suite(.together) struct EvidenceSoakTests {
    static let invocations = Binary.environment("PERMAFROST_SOAK_INVOCATIONS").flatMap { Int($0) } ?? 300
    static let seed =
        Binary.environment("PERMAFROST_SOAK_SEED").flatMap { UInt64($0) } ?? UInt64.random(in: 1...999_999)
    /// Design §8 has 32 MiB at full load for the static binary; a debug build with shared libraries needs more.
    static let residentBound = Binary.environment("PERMAFROST_BINARY") == nil ? 96 << 20 : 32 << 20
    /// What one process may gain from the first half of its life to the second.
    static let residentGrowth = 3 << 20

    @Test func `with every fault mixed nothing is lost, nothing is double, everything stays bounded`() throws {
        print("PERMAFROST_SOAK_SEED=\(Self.seed) PERMAFROST_SOAK_INVOCATIONS=\(Self.invocations)")
        let soak = try EvidenceSoak(seed: Self.seed)
        defer { soak.net.close() }
        let stage = soak.stage
        let comment: Comment = "PERMAFROST_SOAK_SEED=\(Self.seed)"
        try soak.run(Self.invocations)
        try soak.heal()

        // It gets over everything while it runs, and the files shrink.
        try eventually("the backlog drains, \(comment)", within: .seconds(180)) {
            try soak.keepRunning()
            guard stage.search.documentCount >= stage.books.acknowledgedCount - rejects(stage) else { return false }
            return stage.audit.missing.count <= rejects(stage)
        }
        eventually("the files shrink, \(comment)", within: .seconds(20)) { soak.spoolBytes < 3 << 20 }
        let spoolEnd = soak.spoolBytes

        let line = try stage.drainToTheEnd()
        try expectBooks(line, stage, comment)
        #expect(soak.unbiddenEnds == 0, "\(comment): a process ended on its own")
        let memory = try expectFlat(soak, comment)
        let disk = soak.samples.map(\.spoolBytes).max() ?? 0
        #expect(disk < EvidenceSoak.spoolBound + (8 << 20), comment)
        try record(soak, line, "\(memory), spool at most \(disk >> 10) KiB, \(spoolEnd >> 10) KiB at the end")
    }

    /// Documents that a mapping refused twice, as the last push counts them.
    private func rejects(_ stage: Stage) -> Int {
        let lines = stage.gateway?.scrape.split(separator: "\n") ?? []
        return lines.filter { $0.hasPrefix("permafrost_ledger_events_total{") && $0.contains("outcome=\"rejected\"") }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0) { $0 + Int($1) }
    }

    private func expectBooks(_ line: ClosingLine, _ stage: Stage, _ comment: Comment) throws {
        let audit = stage.audit
        #expect(audit.doubled.isEmpty && audit.foreign.isEmpty, "\(comment): \(audit)")
        #expect(line.isBalanced, "\(comment): \(line.fields)")
        #expect(line.count("spooled") == 0 && line.count("discarded") == 0, "\(comment): \(line.fields)")
        // Every stored document is counted once, and what is missing is a reject.
        #expect(line.count("delivered") == audit.documents, "\(comment): \(line.fields)")
        #expect(audit.missing.count <= line.count("rejected") ?? 0, "\(comment): \(audit) \(line.fields)")
    }

    /// Of the process that lived through the last quarter; of all processes the peak.
    private func expectFlat(_ soak: EvidenceSoak, _ comment: Comment) throws -> String {
        let peak = soak.samples.map(\.residentBytes).max() ?? 0
        #expect(peak < Self.residentBound || Binary.isSanitized, "\(comment): \(peak) bytes resident")
        let last = soak.samples.filter { $0.invocation >= Self.invocations * 3 / 4 }.map(\.residentBytes)
        let early = try #require(Array(last.prefix(last.count / 2)).quantile(0.5))
        let late = try #require(Array(last.suffix(last.count / 2)).quantile(0.5))
        #expect(late < early + Self.residentGrowth || Binary.isSanitized, "\(comment): from \(early) to \(late) bytes")
        func mebibytes(_ bytes: Int) -> String { "\(Double((bytes * 10) >> 20) / 10)" }
        let growth = "\(mebibytes(early)) to \(mebibytes(late)) over the last quarter"
        return "resident at most \(mebibytes(peak)) MiB, \(growth)"
    }

    private func record(_ soak: EvidenceSoak, _ line: ClosingLine, _ figures: String) throws {
        let faults = soak.counts.filter { $0.key != "invocations" }.sorted { $0.value > $1.value }
        let audit = soak.stage.audit
        let lost = max(0, audit.missing.count - (line.count("rejected") ?? 0))
        try EvidenceRecord(
            fault: "soak, all at random: " + faults.map { "\($0.value) \($0.key)" }.joined(separator: ", "),
            promise: "nothing lost, nothing double, the books balance, memory flat, files bounded and shrunk",
            rounds: "\(soak.counts["invocations"] ?? 0) invocations, seed \(Self.seed)",
            outcome: "\(audit.acknowledged) events acknowledged, \(lost) lost, \(audit.doubled.count) double, "
                + "\(line.count("rejected") ?? 0) rejected, \(line.count("duplicate") ?? 0) recognised as repetitions; "
                + figures,
            filter: "EvidenceSoakTests"
        ).write()
    }
}
