import Foundation
import TelemetryModel
import TelemetrySpool
import Testing

@testable import CommandLineTool

@Suite struct InspectTests {
    private func filled() throws -> SpoolOnDisk {
        let disk = try SpoolOnDisk()
        try disk.append([("e-1-0", "{\"a\":1}"), ("e-1-1", "{\"a\":2}")])
        try disk.append([("e-2-0", "{\"a\":3}")], rejects: [.refused("e-0-9", "{\"bad\":true}"), .raw])
        return disk
    }

    @Test func `the books, the backlog and the number of rejects are shown, their reasons are not`() throws {
        let disk = try filled()
        let ran = Ran("inspect", disk.path)
        #expect(ran.code == 0)
        let lines = ran.output.split(separator: "\n").map(String.init)
        #expect(lines.contains { $0.hasPrefix("environment ") && $0.hasSuffix(disk.spool.environmentID?.text ?? "?") })
        #expect(lines.contains("  received        5"))
        #expect(lines.contains("  rejected        2  (document 1, unreadable 1)"))
        #expect(lines.contains("  balance         the books balance"))
        #expect(lines.contains { $0.hasPrefix("backlog ") && $0.contains("2 chunks, 3 events") })
        #expect(lines.contains("rejects           2"))
        #expect(!ran.output.contains("secret"))
    }

    @Test func `a spool that is in use is read from a copy, goes on, and the copy is gone afterwards`() throws {
        let disk = try filled()
        let before = try FileManager.default.contentsOfDirectory(atPath: disk.path).sorted()
        let ran = Ran("inspect", disk.path)
        #expect(ran.errors.contains("Reading a copy of \(disk.path)"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path).sorted() == before)
        try disk.append([("e-3-0", "{}")])
        #expect(Ran("inspect", disk.path).output.contains("  received        6"))
        #expect(Ran("inspect", disk.path + "/spool.db").output.contains("  received        6"))
    }

    @Test func `rejects are listed on request, with what the back end said and no control characters`() throws {
        let disk = try filled()
        let output = Ran("inspect", disk.path, "--rejects").output
        #expect(output.contains("  status   400\n  type     mapper_parsing_exception\n"))
        #expect(output.contains("  reason   document: failed to parse field [record] of \u{fffd}[31m'secret'\n"))
        #expect(output.contains("  id       e-0-9\n  index    lambda-function\n  bytes    12\n"))
        #expect(output.contains("  status   none\n  type     unreadable\n"))
    }

    @Test func `the same for programs is one JSON object`() throws {
        let disk = try filled()
        let ran = Ran("inspect", disk.path, "--json", "--rejects")
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(ran.output.utf8)) as? [String: Any])
        let ledger = try #require(object["ledger"] as? [String: [String: Any]])
        #expect(Set(ledger.keys) == Set(LedgerOutcome.allCases.map(\.rawValue)))
        #expect(ledger["rejected"]?["reasons"] as? [String: Int] == ["document": 1, "unreadable": 1])
        #expect(object["imbalance"] as? Int == 0)
        #expect((object["backlog"] as? [String: Int])?["events"] == 3)
        let rejects = try #require(object["rejects"] as? [[String: Any]])
        #expect(rejects.map { $0["content"] as? String } == ["{\"bad\":true}", "no { json"])
        let plain = Ran("inspect", disk.path, "--json").output
        #expect(!plain.contains("secret"))
    }

    @Test func `the export is the bulk lines of the backlog and of the rejects`() throws {
        let disk = try filled()
        let ran = Ran("inspect", disk.path, "--export", "-")
        #expect(ran.code == 0)
        #expect(
            ran.output == SpoolOnDisk.lines("e-1-0", "{\"a\":1}") + SpoolOnDisk.lines("e-1-1", "{\"a\":2}")
                + SpoolOnDisk.lines("e-2-0", "{\"a\":3}") + SpoolOnDisk.lines("e-0-9", "{\"bad\":true}"))
        #expect(ran.errors.contains("  received        5"))
        #expect(ran.errors.contains("1 rejects are raw text"))
    }

    @Test func `an export never overwrites a file, and is for its owner alone`() throws {
        let disk = try filled()
        let file = disk.directory + "/export.ndjson"
        #expect(Ran("inspect", disk.path, "--export", file).code == 0)
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        #expect((attributes[.posixPermissions] as? Int).map { $0 & 0o777 } == 0o600)
        let first = try Data(contentsOf: URL(filePath: file))
        #expect(first.split(separator: 0x0a).count == 8)
        #expect(Ran("inspect", disk.path, "--export", file).code == 1)
        #expect(try Data(contentsOf: URL(filePath: file)) == first)
    }

    @Test func `what is no spool is said to be none`() throws {
        let disk = try SpoolOnDisk()
        let missing = Ran("inspect", disk.directory + "/nothing")
        #expect(missing.code == 1)
        #expect(missing.errors == "permafrost: \(disk.directory)/nothing cannot be read, or not copied to /tmp.\n")
        let text = disk.directory + "/text"
        try Data(repeating: 0x61, count: 8192).write(to: URL(filePath: text))
        #expect(Ran("inspect", text).errors.contains("is damaged"))
        try Data().write(to: URL(filePath: text))
        #expect(Ran("inspect", text).errors.contains("is no spool"))
    }
}
