import HTTPTransport
import Testing

@testable import LambdaSimulator

@Suite struct FakeOpenSearchTests {
    private func bulk(
        _ url: String, _ ids: [String], index: String = "logs", timeout: Duration = .seconds(10)
    ) throws(HTTPError) -> PlainHTTP.Answer {
        let lines = ids.map { OpenSearchCorpus.pair($0, #"{"n":1}"#, index: index) }
        return try PlainHTTP.send(
            "POST", url + "/_bulk", headers: ["Content-Type": "application/x-ndjson"], body: Array(lines.joined().utf8),
            timeout: timeout)
    }

    private func statuses(_ answer: PlainHTTP.Answer) throws -> [Int?] {
        try #require(StrictJSON.parse(answer.body)["items"]?.elements).map { $0.members?.first?.value["status"]?.int }
    }

    @Test func `documents are kept by index and id`() throws {
        let search = try FakeOpenSearch()
        #expect(try statuses(bulk(search.url, ["1", "2"])) == [201, 201])
        #expect(try statuses(bulk(search.url, ["2", "3"])) == [409, 201])
        #expect(search.counts == ["logs": 3])
        #expect(search.document(index: "logs", id: "2")?.source == Array(#"{"n":1}"#.utf8))
        #expect(search.contains(#""n":1"#))
        #expect(search.requests.map(\.stored) == [2, 1])
    }

    @Test func `an item fault strikes every n-th item of its index`() throws {
        let search = try FakeOpenSearch()
        search.faults.add(Fault(.item(status: 429, type: "rejected_execution_exception"), index: "logs", every: 2))
        #expect(try statuses(bulk(search.url, ["1", "2", "3"])) == [429, 201, 429])
        #expect(try statuses(bulk(search.url, ["1"], index: "other")) == [201])
    }

    @Test func `a whole-request fault answers with its status, headers and body and then stops`() throws {
        let search = try FakeOpenSearch()
        search.faults.set([
            Fault(.status(503, headers: ["Retry-After": "7"], body: "<html>", contentType: "text/html"), count: 1)
        ])
        let refused = try bulk(search.url, ["1"])
        #expect(refused.status == 503)
        #expect(refused.contentType == "text/html")
        #expect(refused.body == Array("<html>".utf8))
        #expect(search.documentCount == 0)
        #expect(try bulk(search.url, ["1"]).status == 200)
    }

    @Test func `a lost answer has stored, a closed connection has not`() throws {
        let search = try FakeOpenSearch()
        search.faults.set([Fault(.closeWithoutAnswer, count: 1), Fault(.lostAnswer, count: 1)])
        #expect(throws: HTTPError.self) { try bulk(search.url, ["1"]) }
        #expect(search.documentCount == 0)
        #expect(throws: HTTPError.self) { try bulk(search.url, ["1"]) }
        #expect(search.documentCount == 1)
        #expect(try statuses(bulk(search.url, ["1"])) == [409])
    }

    @Test func `half an answer is an interrupted one`() throws {
        let search = try FakeOpenSearch()
        search.faults.set([Fault(.halfAnswerThenClose, count: 1), Fault(.halfAnswerThenHang, count: 1), Fault(.hang)])
        #expect(throws: HTTPError.interrupted) { try bulk(search.url, ["1"]) }
        #expect(throws: HTTPError.timeout) { try bulk(search.url, ["2"], timeout: .milliseconds(300)) }
        #expect(search.documentCount == 2)
        #expect(throws: HTTPError.timeout) { try bulk(search.url, ["3"], timeout: .milliseconds(300)) }
        #expect(search.documentCount == 2)
    }

    @Test func `fewer items are fewer documents`() throws {
        let search = try FakeOpenSearch()
        search.faults.add(Fault(.fewerItems(2)))
        #expect(try statuses(bulk(search.url, ["1", "2", "3"])) == [201])
        #expect(search.documentCount == 1)
    }

    @Test func `a delayed answer comes late, other requests pass it`() throws {
        let search = try FakeOpenSearch()
        search.faults.add(Fault(.delay(.milliseconds(300)), count: 1))
        let began = ContinuousClock.now
        #expect(try bulk(search.url, ["1"]).status == 200)
        #expect(ContinuousClock.now - began >= .milliseconds(300))
    }

    @Test func `a stopped stand-in refuses connections and keeps its documents and its port`() throws {
        let search = try FakeOpenSearch()
        #expect(try bulk(search.url, ["1"]).status == 200)
        search.stopListening()
        #expect(throws: HTTPError.connect) { try bulk(search.url, ["2"]) }
        try search.startListening()
        #expect(try statuses(bulk(search.url, ["1", "2"])) == [409, 201])
    }

    @Test func `above the limit a body is answered 413 without a body, inflated bytes counted`() throws {
        var options = FakeOpenSearch.Options()
        options.maximumContentLength = 200
        let search = try FakeOpenSearch(options: options)
        #expect(try bulk(search.url, ["1"]).status == 200)
        let refused = try bulk(search.url, ["1", "2", "3", "4", "5"])
        #expect(refused.status == 413)
        #expect(refused.body.isEmpty)
    }

    @Test func `credentials are asked for`() throws {
        var options = FakeOpenSearch.Options()
        options.credentials = ("writer", "se:cret")
        let search = try FakeOpenSearch(options: options)
        #expect(try bulk(search.url, ["1"]).status == 401)
        let header = "Basic " + Base64.encode(Array("writer:se:cret".utf8))
        #expect(try PlainHTTP.send("GET", search.url + "/", headers: ["Authorization": header]).status == 200)
    }

    @Test func `faults can be planned over HTTP and read back`() throws {
        let search = try FakeOpenSearch()
        let plan = #"[{"fault":"status","status":429,"headers":{"Retry-After":"1"},"body":"","count":2}]"#
        let put = try PlainHTTP.send(
            "PUT", search.url + "/_simulator/faults", headers: ["Content-Type": "application/json"],
            body: Array(plan.utf8))
        #expect(String(decoding: put.body, as: UTF8.self) == plan)
        #expect(try bulk(search.url, ["1"]).status == 429)
        #expect(try PlainHTTP.send("DELETE", search.url + "/_simulator/faults").status == 200)
        #expect(try bulk(search.url, ["1"]).status == 200)
        let unknown = try PlainHTTP.send(
            "PUT", search.url + "/_simulator/faults", body: Array(#"[{"fault":"x"}]"#.utf8))
        #expect(unknown.status == 400)
    }

    @Test(arguments: [
        Fault(.status(413)),
        Fault(.item(status: 500, type: "t", reason: "r"), index: "a", after: 2, every: 3, count: 4),
        Fault(.delay(.milliseconds(250)), path: "/x", method: "PUT"), Fault(.hang), Fault(.halfAnswerThenHang),
        Fault(.halfAnswerThenClose), Fault(.closeWithoutAnswer), Fault(.lostAnswer), Fault(.fewerItems(3)),
        Fault(.stall(.milliseconds(9))),
    ])
    func `every fault survives its JSON`(fault: Fault) {
        #expect(Fault(json: fault.json) == fault)
    }
}
