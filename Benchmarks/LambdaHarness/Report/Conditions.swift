import Foundation
import LambdaSimulator

/// Where and of what the figures were taken.
struct Conditions {
    var members: [JSONValue.Member]

    init(_ options: HarnessOptions) {
        func first(_ path: String, _ key: String) -> String {
            let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            let line = text.split(separator: "\n").first { $0.hasPrefix(key) }
            return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
        }
        func whole(_ path: String) -> String {
            ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "unknown")
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let size = (try? FileManager.default.attributesOfItem(atPath: options.binary))?[.size] as? Int ?? 0
        members = [
            .init("date", .string(WallClock.iso8601(ms: WallClock.nowMs()))),
            .init("commit", .string(Self.commit())),
            .init("cpu", .string(first("/proc/cpuinfo", "model name"))),
            .init("cores", .integer(CPUSet.count)),
            .init("memory", .string(first("/proc/meminfo", "MemTotal"))),
            .init("kernel", .string(whole("/proc/sys/kernel/osrelease"))),
            .init("load", .string(whole("/proc/loadavg"))),
            .init("binary_bytes", .integer(size)),
            .init("seed", .string(String(Corpus.seed))),
            .init("quick", .bool(options.isQuick)),
        ]
    }

    /// The commit of the working copy, with `+` when it has changes; `unknown` outside one.
    private static func commit() -> String {
        guard let head = git(["rev-parse", "--short", "HEAD"]) else { return "unknown" }
        return head + (git(["status", "--porcelain", "--untracked-files=no"])?.isEmpty == false ? "+" : "")
    }

    private static func git(_ arguments: [String]) -> String? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["git"] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return process.terminationStatus == 0 ? text.trimmingCharacters(in: .whitespacesAndNewlines) : nil
    }

    var text: String {
        members.map { "\($0.name)=\($0.value.text ?? $0.value.description)" }.joined(separator: "  ")
    }
}
