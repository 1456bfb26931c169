import Deflate
import Foundation
import HTTPTransport
import LambdaSimulator

/// The role of a child process: an OpenSearch that reads every bulk request's ids, answers for each, and keeps nothing.
///
/// It answers as `filter_path` asks. With `--keep FILE` the inflated bodies are appended to that file.
enum DiscardingSink {
    private struct Totals: Sendable {
        var items = 0
        var lineBytes = 0
        var bodyBytes = 0
    }

    static func run(_ arguments: [String]) throws -> Never {
        let options = try CommandOptions(arguments, valued: ["port", "keep"], flags: [])
        let keep = try options.value("keep").map { path in
            let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw SimulatorError.system(call: "open", errno: errno) }
            return descriptor
        }
        let totals = Monitor(Totals())
        let server = try ServerThread(
            name: "sink", port: UInt16(try options.int("port", default: 0)), limits: ServerThread.generousLimits
        ) { request, responder in
            switch (request.method, request.path) {
            case ("POST", "/_bulk"):
                guard let lines = Self.lines(of: request) else { return responder.respond(status: 400) }
                if let keep { _ = lines.withUnsafeBytes { write(keep, $0.baseAddress, $0.count) } }
                let (answer, items) = Self.answer(to: lines)
                totals.withLock { totals in
                    totals.items += items
                    totals.lineBytes += lines.count
                    totals.bodyBytes += request.bodyCount
                }
                responder.respond(
                    status: 200, headers: [HTTPHeader(name: "Content-Type", value: "application/json")], body: answer)
            case ("GET", "/totals"):
                let now = totals.withLock { $0 }
                responder.respond(status: 200, body: Array("\(now.items) \(now.lineBytes) \(now.bodyBytes)".utf8))
            case ("GET", _): responder.respond(status: 200, body: Array("{}".utf8))
            case ("PUT", _): responder.respond(status: 200, body: Array("{\"acknowledged\":true}".utf8))
            default: responder.respond(status: 404)
            }
        }
        FileHandle.standardOutput.write(Data("\(server.port)\n".utf8))
        // The harness may be killed; a child whose parent is gone has nothing to do.
        let parent = getppid()
        while getppid() == parent { LambdaSimulator.pause(.milliseconds(200)) }
        exit(0)
    }

    private static func lines(of request: HTTPServerRequest) -> [UInt8]? {
        let body = request.withBody { Array($0) }
        guard request.header("Content-Encoding") == "gzip" else { return body }
        return try? Inflater.gunzip(body, limit: 64 << 20)
    }

    private static let key: StaticString = "\"_id\":\""

    /// One item for every action line.
    private static func answer(to lines: [UInt8]) -> (bytes: [UInt8], items: Int) {
        var answer = Array("{\"errors\":false,\"items\":[".utf8)
        answer.reserveCapacity(lines.count / 6)
        let head = Array("{\"create\":{\"_id\":\"".utf8)
        let tail = Array("\",\"status\":201}},".utf8)
        var items = 0
        lines.withUnsafeBytes { lines in
            var start = 0
            while let end = lines.offset(of: 0x0A, from: start) {
                guard let found = lines.offset(of: key, from: start), found < end,
                    let quote = lines.offset(of: UInt8(ascii: "\""), from: found + key.utf8CodeUnitCount)
                else { break }
                answer += head
                answer.append(
                    contentsOf: UnsafeRawBufferPointer(rebasing: lines[(found + key.utf8CodeUnitCount)..<quote]))
                answer += tail
                items += 1
                guard let next = lines.offset(of: 0x0A, from: end + 1) else { break }
                start = next + 1
            }
        }
        if items > 0 { answer.removeLast() }
        answer += Array("]}".utf8)
        return (answer, items)
    }
}
