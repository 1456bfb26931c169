import Foundation
import HTTPTransport
import Testing

@testable import LambdaSimulator

/// The stand-in answers as the real PushGateway does, and then shows the same metrics.
///
/// Compared: every status, and after all of them the scrape without the gateway's metrics of itself, without HELP lines
/// (which of two texts wins depends on an order of maps) and without the values of the two push times.
@Suite struct PushGatewayComparisonTests {
    @Test(
        .enabled(if: RealServers.pushGateway != nil, "prometheus-pushgateway is not installed"), .timeLimit(.minutes(2))
    )
    func `the stand-in answers the corpus as a real PushGateway does`() throws {
        let standIn = try FakePushGateway()
        try RealServers.withPushGateway { real in
            for request in PushGatewayCorpus.requests {
                func status(_ url: String) -> Int? {
                    let body = ["GET", "HEAD"].contains(request.method) ? nil : request.body
                    return try? PlainHTTP.send(request.method, url + request.path, headers: request.headers, body: body)
                        .status
                }
                let expected = status(real)
                #expect(
                    status(standIn.url) == expected,
                    "\(request.method) \(request.path) \(String(decoding: request.body.prefix(80), as: UTF8.self))")
            }
            let expected = try Self.normalised(PlainHTTP.get(real + "/metrics"))
            #expect(try Self.normalised(PlainHTTP.get(standIn.url + "/metrics")) == expected)
            let api = try StrictJSON.parse(PlainHTTP.get(real + "/api/v1/metrics"))
            let ours = try StrictJSON.parse(PlainHTTP.get(standIn.url + "/api/v1/metrics"))
            #expect(Self.normalised(ours) == Self.normalised(api))
        }
    }

    private static func normalised(_ scrape: [UInt8]) -> [String] {
        String(decoding: scrape, as: UTF8.self).split(separator: "\n").map(String.init).filter { line in
            let name = line.hasPrefix("# TYPE ") ? line.dropFirst("# TYPE ".count) : line[...]
            return !line.hasPrefix("# HELP") && !["go_", "process_", "pushgateway_"].contains { name.hasPrefix($0) }
        }.map { line in
            guard line.hasPrefix("push_") else { return line }
            let isZero = line.hasSuffix(" 0")
            return line.prefix { $0 != "}" } + (isZero ? "} 0" : "} set")
        }.sorted()
    }

    /// Groups by their labels, families with types and metrics; without time stamps, push times and HELP.
    private static func normalised(_ answer: JSONValue) -> [String] {
        (answer["data"]?.elements ?? []).map { group in
            let members = (group.members ?? []).compactMap { member -> String? in
                switch member.name {
                case "labels", "last_push_successful": return "\(member.name)=\(member.value.description)"
                case "push_time_seconds", "push_failure_time_seconds": return member.name
                default:
                    let metrics = (member.value["metrics"]?.elements ?? []).map(\.description).sorted()
                    return "\(member.name):\(member.value["type"]?.text ?? "")\(metrics)"
                }
            }
            return members.joined(separator: " ")
        }.sorted()
    }
}
