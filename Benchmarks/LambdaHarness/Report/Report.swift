import Foundation
import LambdaSimulator

/// Collects figures for the table and raw samples for the file of JSON lines.
final class Report {
    private var rows: [Row] = []
    private let file: FileHandle

    init(output: String, conditions: Conditions) throws {
        let folder = URL(fileURLWithPath: output).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        guard FileManager.default.createFile(atPath: output, contents: nil),
            let file = FileHandle(forWritingAtPath: output)
        else { throw SimulatorError.state("cannot write \(output)") }
        self.file = file
        try write(.object([.init("kind", "conditions")] + conditions.members))
    }

    private func write(_ line: JSONValue) throws {
        try file.write(contentsOf: Data(line.encoded + [0x0A]))
    }

    /// Raw samples, one line of the file for each series.
    func keep(_ name: String, unit: String, input: String, _ samples: Samples) throws {
        try write([
            "kind": "samples", "name": .string(name), "unit": .string(unit), "input": .string(input),
            "p50": .double(samples.median), "p90": .double(samples.percentile(90)),
            "p99": .double(samples.percentile(99)),
            "samples": .array(samples.values.map { .double($0) }),
        ])
    }

    func add(_ row: Row) throws {
        rows.append(row)
        var members: [JSONValue.Member] = [
            .init("kind", "result"), .init("what", .string(row.what)), .init("value", .double(row.value)),
            .init("unit", .string(row.unit)),
        ]
        if let bounds = row.bounds {
            members.append(.init("budget", .double(bounds.budget)))
            members.append(.init("stretch", .double(bounds.stretch)))
            members.append(.init("verdict", .string(row.verdict)))
        }
        members.append(.init("notes", .array(row.notes.map { .string($0) })))
        try write(.object(members))
    }

    var isCorrect: Bool { !rows.contains { $0.isFailed } }

    /// The figures in columns, each with its input below it.
    var table: String {
        let head = ["what", "value", "budget", "stretch", "verdict"]
        let cells = rows.map { row in
            [
                row.what, Row.number(row.value) + (row.unit.isEmpty ? "" : " " + row.unit),
                row.bounds.map { Row.number($0.budget) } ?? "", row.bounds.map { Row.number($0.stretch) } ?? "",
                row.verdict,
            ]
        }
        let widths = head.indices.map { column in ([head] + cells).map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
                .trimmingCharacters(in: .whitespaces)
        }
        var text = line(head) + "\n" + String(repeating: "-", count: widths.reduce(8, +)) + "\n"
        for (row, cells) in zip(rows, cells) {
            text += line(cells) + "\n"
            for note in row.notes { text += "    " + note + "\n" }
        }
        return text
    }
}
