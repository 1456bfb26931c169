import Foundation
import HTTPTransport
import Testing

@testable import LambdaSimulator

@Suite struct RuntimeAPIServerTests {
    private func register(
        _ server: RuntimeAPIServer, name: String? = "one", body: String = #"{"events":["INVOKE","SHUTDOWN"]}"#,
        headers: [HTTPHeader] = []
    ) throws -> HTTPResponse {
        var all = headers
        if let name { all.append(HTTPHeader(name: "Lambda-Extension-Name", value: name)) }
        return try HTTPClient().perform(
            HTTPRequest(
                method: "POST", url: "http://\(server.address)/2020-01-01/extension/register", headers: all,
                body: Array(body.utf8)))
    }

    private func call(
        _ server: RuntimeAPIServer, _ method: String, _ path: String, _ identifier: String?, body: String? = nil,
        errorType: String? = nil
    ) throws -> HTTPResponse {
        var headers: [HTTPHeader] = []
        if let identifier { headers.append(HTTPHeader(name: "Lambda-Extension-Identifier", value: identifier)) }
        if let errorType {
            headers.append(HTTPHeader(name: "Lambda-Extension-Function-Error-Type", value: errorType))
        }
        return try HTTPClient().perform(
            HTTPRequest(
                method: method, url: "http://\(server.address)\(path)", headers: headers,
                body: body.map { Array($0.utf8) },
                totalTimeout: .seconds(10)))
    }

    private static let next = "/2020-01-01/extension/event/next"
    private static let telemetry = "/2022-07-01/telemetry"

    private func errorType(_ response: HTTPResponse) -> String? {
        (try? StrictJSON.parse(response.body))?["errorType"]?.text
    }

    private func identifier(_ response: HTTPResponse) throws -> String {
        try #require(response.header("Lambda-Extension-Identifier"))
    }

    private static let subscription = """
        {"schemaVersion":"2025-01-29","types":["platform"],"buffering":{"maxItems":1000,"maxBytes":262144,\
        "timeoutMs":25},"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:4579/x"}}
        """

    @Test func `register answers with an identifier and what the function is`() throws {
        let server = try RuntimeAPIServer()
        defer { server.stop() }
        let plain = try register(server)
        #expect(plain.status == 200)
        #expect(
            String(decoding: plain.body, as: UTF8.self)
                == #"{"functionName":"checkout-worker","functionVersion":"17","handler":"app.handler"}"#)
        let account = try register(
            server, name: "two", headers: [HTTPHeader(name: "Lambda-Extension-Accept-Feature", value: "x, accountId")])
        #expect(try StrictJSON.parse(account.body)["accountId"] == "210987654321")
        #expect(try identifier(plain) != identifier(account))
    }

    @Test func `every misuse of register is refused in the emulator's words`() throws {
        var options = RuntimeAPIOptions()
        options.extensionLimit = 2
        options.externalNames = ["one", "two", "three"]
        let server = try RuntimeAPIServer(options: options)
        defer { server.stop() }
        #expect(errorType(try register(server, name: nil)) == "Extension.InvalidExtensionName")
        #expect(errorType(try register(server, body: "{")) == "InvalidRequestFormat")
        #expect(errorType(try register(server, body: #"{"configurationKeys":["a"]}"#)) == "InvalidRequestFormat")
        #expect(errorType(try register(server, body: #"{"events":["NEXT"]}"#)) == "Extension.InvalidEventType")
        #expect(
            errorType(try register(server, name: "inner", body: #"{"events":["SHUTDOWN"]}"#))
                == "Extension.InvalidEventType")
        #expect(try register(server).status == 200)
        #expect(errorType(try register(server)) == "Extension.InvalidExtensionState")
        #expect(try register(server, name: "two", body: "").status == 200)
        #expect(errorType(try register(server, name: "three")) == "Extension.TooManyExtensions")
        server.closeRegistration()
        #expect(errorType(try register(server, name: "three")) == "Extension.RegistrationClosed")
    }

    @Test func `next holds until an event comes, and tells an unknown identifier from a malformed one`() throws {
        let server = try RuntimeAPIServer()
        defer { server.stop() }
        #expect(errorType(try call(server, "GET", Self.next, nil)) == "Extension.MissingExtensionIdentifier")
        #expect(errorType(try call(server, "GET", Self.next, "abc")) == "Extension.InvalidExtensionIdentifier")
        let stranger = UUID().uuidString
        #expect(errorType(try call(server, "GET", Self.next, stranger)) == "Extension.UnknownExtensionIdentifier")

        let id = try identifier(try register(server))
        let answers = Monitor<[HTTPResponse]>([])
        let thread = Thread {
            for _ in 0..<2 {
                guard let answer = try? self.call(server, "GET", Self.next, id) else { return }
                answers.withLock { $0.append(answer) }
            }
        }
        thread.start()
        #expect(server.wait(timeout: .seconds(5)) { $0.first?.isIdle == true ? true : nil } == true)
        #expect(answers.withLock { $0.isEmpty })
        server.sendInvoke(requestID: "r-1", deadlineMs: 1_785_312_045_678, functionARN: "arn:x", traceHeader: nil)
        #expect(server.wait(timeout: .seconds(5)) { $0.first?.nextCalls == 2 ? true : nil } == true)
        server.sendShutdown(reason: .spindown, deadlineMs: 5)
        let both = try #require(answers.wait(timeout: .seconds(5)) { $0.count == 2 ? $0 : nil })
        #expect(
            String(decoding: both[0].body, as: UTF8.self)
                == #"{"eventType":"INVOKE","deadlineMs":1785312045678,"requestId":"r-1","invokedFunctionArn":"arn:x"}"#)
        #expect(both[0].header("Lambda-Extension-Event-Identifier") != nil)
        #expect(
            String(decoding: both[1].body, as: UTF8.self)
                == #"{"eventType":"SHUTDOWN","shutdownReason":"spindown","deadlineMs":5}"#)
        #expect(both[1].header("Lambda-Extension-Event-Identifier") == nil)
    }

    @Test func `next fails as often as it was told to and then serves`() throws {
        var options = RuntimeAPIOptions()
        options.nextFailures = 2
        options.upperCaseReason = true
        let server = try RuntimeAPIServer(options: options)
        defer { server.stop() }
        let id = try identifier(try register(server))
        #expect(try call(server, "GET", Self.next, id).status == 500)
        #expect(try call(server, "GET", Self.next, id).status == 500)
        let answer = Monitor<HTTPResponse?>(nil)
        let thread = Thread {
            let response = try? self.call(server, "GET", Self.next, id)
            answer.withLock { $0 = response }
        }
        thread.start()
        #expect(server.wait(timeout: .seconds(5)) { $0.first?.isIdle == true ? true : nil } == true)
        server.sendShutdown(reason: .timeout, deadlineMs: 5)
        let response = try #require(answer.wait(timeout: .seconds(5)) { $0 })
        #expect(String(decoding: response.body, as: UTF8.self).contains(#""shutdownReason":"TIMEOUT""#))
    }

    @Test func `an error is reported once, and everything after it refused`() throws {
        let server = try RuntimeAPIServer()
        defer { server.stop() }
        let id = try identifier(try register(server))
        let path = "/2020-01-01/extension/init/error"
        #expect(errorType(try call(server, "POST", path, id, body: "{}")) == "Extension.MissingHeader")
        let accepted = try call(server, "POST", path, id, body: "{}", errorType: "Extension.NoGood")
        #expect(accepted.status == 202)
        #expect(String(decoding: accepted.body, as: UTF8.self) == #"{"status":"OK"}"#)
        #expect(errorType(try call(server, "GET", Self.next, id)) == "Extension.InvalidExtensionState")
        #expect(
            errorType(try call(server, "POST", path, id, errorType: "Extension.NoGood"))
                == "Extension.InvalidExtensionState")
        #expect(server.agent(named: "one")?.reportedErrorType == "Extension.NoGood")
    }

    @Test func `Managed Instances refuse INVOKE and every schema but the newest`() throws {
        var options = RuntimeAPIOptions()
        options.isManagedInstances = true
        let server = try RuntimeAPIServer(options: options)
        defer { server.stop() }
        let refused = try register(server)
        #expect(refused.status == 403)
        #expect(errorType(refused) == "Extension.InvalidEventType")
        let id = try identifier(try register(server, body: #"{"events":["SHUTDOWN"]}"#))
        let old = Self.subscription.replacingOccurrences(of: "2025-01-29", with: "2022-12-13")
        #expect(try call(server, "PUT", Self.telemetry, id, body: old).status == 400)
        #expect(try call(server, "PUT", Self.telemetry, id, body: Self.subscription).status == 200)
    }

    @Test func `a subscription is answered OK once and refused afterwards`() throws {
        let subscribed = Monitor<[SubscriptionRequest]>([])
        let server = try RuntimeAPIServer { _, subscription in subscribed.withLock { $0.append(subscription) } }
        defer { server.stop() }
        let id = try identifier(try register(server))
        let answer = try call(server, "PUT", Self.telemetry, id, body: Self.subscription)
        #expect(answer.status == 200)
        #expect(String(decoding: answer.body, as: UTF8.self) == #""OK""#)
        #expect(try call(server, "PUT", Self.telemetry, id, body: Self.subscription).status == 500)
        let seen = try #require(subscribed.withLock { $0.first })
        #expect(seen.port == 4579)
        #expect(seen.path == "/x")
        server.closeRegistration()
        let late = try call(server, "PUT", Self.telemetry, id, body: Self.subscription)
        #expect(errorType(late) == "Telemetry.SubscriptionClosed")
    }

    @Test(arguments: [
        (#""types":["platform"]"#, #""types":[]"#), (#""types":["platform"]"#, #""types":["logs"]"#),
        (#""maxItems":1000"#, #""maxItems":999"#), (#""maxItems":1000"#, #""maxItems":"1000""#),
        (#""maxBytes":262144"#, #""maxBytes":1048577"#), (#""timeoutMs":25"#, #""timeoutMs":24"#),
        ("2025-01-29", "2030-01-01"), (#""protocol":"HTTP""#, #""protocol":"UDP""#),
        ("http://sandbox.localdomain:4579/x", "https://sandbox.localdomain:4579"),
        ("http://sandbox.localdomain:4579/x", "http://localhost:4579"),
        ("http://sandbox.localdomain:4579/x", "http://sandbox.localdomain:9001"),
        ("http://sandbox.localdomain:4579/x", "http://sandbox.localdomain"),
    ])
    func `a faulty subscription is a ValidationError`(part: String, replacement: String) throws {
        let server = try RuntimeAPIServer()
        defer { server.stop() }
        let id = try identifier(try register(server))
        let body = Self.subscription.replacingOccurrences(of: part, with: replacement)
        #expect(body != Self.subscription)
        let answer = try call(server, "PUT", Self.telemetry, id, body: body)
        #expect(answer.status == 400)
        #expect(errorType(answer) == "ValidationError")
    }

    @Test func `telemetry answers what it was told to`() throws {
        let server = try RuntimeAPIServer()
        defer { server.stop() }
        let id = try identifier(try register(server))
        for (option, status) in [
            (RuntimeAPIOptions.Telemetry.notSupported, 202), (.newestSchema("2022-12-13"), 400), (.closed, 403),
            (.failing, 500), (.available, 200),
        ] {
            server.changeOptions { $0.telemetry = option }
            #expect(try call(server, "PUT", Self.telemetry, id, body: Self.subscription).status == status)
        }
    }
}
