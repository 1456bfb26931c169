import HTTPTransport
import LambdaAPI
import Testing

@Suite struct ExtensionsClientTests {
    private func client(_ plane: FakeControlPlane) throws -> ExtensionsClient {
        ExtensionsClient(runtimeAPI: plane.address, client: try HTTPClient())
    }

    // MARK: register

    @Test func `register sends exactly this request`() throws {
        let plane = try FakeControlPlane(
            .init(
                headers: [HTTPHeader("Lambda-Extension-Identifier", "id-1")],
                body: #"{"functionName":"f","functionVersion":"17","handler":"h","accountId":"210987654321"}"#))
        defer { plane.stop() }
        let registration = try client(plane).register(name: "permafrost", events: [.invoke, .shutdown])
        #expect(registration.identifier == "id-1")
        #expect(registration.functionName == "f")
        #expect(registration.functionVersion == "17")
        #expect(registration.accountID == "210987654321")
        #expect(
            plane.requests == [
                """
                POST /2020-01-01/extension/register
                Lambda-Extension-Name: permafrost
                Lambda-Extension-Accept-Feature: accountId
                Content-Type: application/json
                {"events":["INVOKE","SHUTDOWN"]}
                """
            ])
    }

    @Test(arguments: ["", "{}", "not JSON", "[]", #"{"functionName":7}"#])
    func `no field of the body of a registration is required`(body: String) throws {
        let plane = try FakeControlPlane(
            .init(headers: [HTTPHeader("lambda-extension-identifier", "id-1")], body: body))
        defer { plane.stop() }
        let registration = try client(plane).register(name: "permafrost", events: [.shutdown])
        #expect(registration.identifier == "id-1")
        #expect(registration.functionName == nil)
    }

    @Test func `a registration without identifier is malformed`() throws {
        let plane = try FakeControlPlane(.init(body: "{}"))
        defer { plane.stop() }
        #expect(throws: ExtensionsError.malformed("no extension identifier")) {
            try client(plane).register(name: "permafrost", events: [])
        }
    }

    @Test func `a refusal carries its error type`() throws {
        let plane = try FakeControlPlane(
            .init(status: 403, body: #"{"errorMessage":"m","errorType":"Extension.InvalidEventType"}"#),
            .init(status: 403, body: "<html>"))
        defer { plane.stop() }
        let client = try client(plane)
        #expect(throws: ExtensionsError.refused(status: 403, errorType: "Extension.InvalidEventType")) {
            try client.register(name: "permafrost", events: [.invoke])
        }
        #expect(throws: ExtensionsError.refused(status: 403, errorType: nil)) {
            try client.register(name: "permafrost", events: [.invoke])
        }
    }

    // MARK: next

    @Test func `an invocation is read with its deadline`() throws {
        let plane = try FakeControlPlane(
            .init(
                body: """
                    {"eventType":"INVOKE","deadlineMs":1785312045678,"requestId":"r-1","invokedFunctionArn":"arn:x",
                     "tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1"}}
                    """))
        defer { plane.stop() }
        let event = try client(plane).next("id-1")
        #expect(
            event == .invoke(Invocation(requestID: "r-1", deadlineMs: 1_785_312_045_678, functionARN: "arn:x")))
        #expect(plane.requests == ["GET /2020-01-01/extension/event/next\nLambda-Extension-Identifier: id-1\n"])
    }

    @Test(arguments: [
        ("spindown", Shutdown.Reason.spindown), ("SPINDOWN", .spindown), ("timeout", .timeout), ("TIMEOUT", .timeout),
        ("Failure", .failure), ("", .other), ("meltdown", .other),
    ])
    func `a shutdown's reason is read in any case`(text: String, reason: Shutdown.Reason) throws {
        let plane = try FakeControlPlane(
            .init(body: #"{"eventType":"SHUTDOWN","shutdownReason":"\#(text)","deadlineMs":17}"#))
        defer { plane.stop() }
        guard case .shutdown(let shutdown) = try client(plane).next("id-1") else {
            Issue.record("not a shutdown")
            return
        }
        #expect(shutdown.reason == reason)
        #expect(shutdown.reasonText == text)
        #expect(shutdown.deadlineMs == 17)
    }

    @Test func `a shutdown without reason and deadline is still a shutdown`() throws {
        let plane = try FakeControlPlane(.init(body: #"{"eventType":"shutdown"}"#))
        defer { plane.stop() }
        #expect(try client(plane).next("id-1") == .shutdown(Shutdown(reasonText: "", deadlineMs: nil)))
    }

    @Test func `an event of a type of the future is no error`() throws {
        let plane = try FakeControlPlane(.init(body: #"{"eventType":"HIBERNATE","depth":[{}]}"#))
        defer { plane.stop() }
        #expect(try client(plane).next("id-1") == .unknown("HIBERNATE"))
    }

    @Test func `an answer to next that is no event is an error that names what is missing`() throws {
        let plane = try FakeControlPlane(
            .init(body: "{}"), .init(body: ""), .init(status: 500), .init(status: 302), .init(status: 403, body: "{}"))
        defer { plane.stop() }
        let client = try client(plane)
        let expected: [ExtensionsError] = [
            .malformed("no event type"), .malformed("no event type"), .unavailable(status: 500),
            .unavailable(status: 302), .refused(status: 403, errorType: nil),
        ]
        for error in expected { #expect(throws: error) { try client.next("id-1") } }
    }

    @Test func `nobody at the other end is a transport error`() throws {
        let plane = try FakeControlPlane()
        let client = try client(plane)
        plane.stop()
        #expect(throws: ExtensionsError.transport(.connect)) { try client.next("id-1") }
    }
}
