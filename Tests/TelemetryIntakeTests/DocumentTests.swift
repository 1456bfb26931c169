import TelemetryModel
import Testing

@testable import TelemetryIntake

/// One literal document per stream: the same stand in the README.
@Suite struct DocumentTests {
    @Test func `a platform event becomes this action line and this document`() throws {
        let intake = try Intake()
        let batch = intake.post(
            #"[{"time":"2026-07-29T08:00:00.771Z","type":"platform.runtimeDone","record":{"requestId":"3f0c1b9e-5a77-4c0e-9d7b-61d2f0a4c811","status":"success","metrics":{"durationMs":119.8,"producedBytes":42}}}]"#
        )
        #expect(
            try batch.lines() == [
                #"{"create":{"_index":"lambda-platform","_id":"0123456789abcdef-7-0"}}"#,
                #"{"@timestamp":"2026-07-29T08:00:00.771Z","time":"2026-07-29T08:00:00.771Z","type":"platform.runtimeDone","#
                    + #""record":{"requestId":"3f0c1b9e-5a77-4c0e-9d7b-61d2f0a4c811","status":"success","metrics":{"durationMs":119.8,"producedBytes":42}},"#
                    + #""faas":{"name":"checkout-worker","version":"17","instance":"0123456789abcdef","invocation_id":"3f0c1b9e-5a77-4c0e-9d7b-61d2f0a4c811"},"#
                    + #""cloud":{"account":{"id":"123456789012"},"region":"eu-west-1"}}"#,
            ])
        #expect(batch.finishedInvocations == ["3f0c1b9e-5a77-4c0e-9d7b-61d2f0a4c811"])
        #expect(batch.reportedInvocations.isEmpty)
    }

    @Test func `a text line of the function becomes this action line and this document`() throws {
        let intake = try Intake()
        intake.state.invocationID = "3f0c1b9e-5a77-4c0e-9d7b-61d2f0a4c811"
        let batch = intake.post(
            #"[{"time":"2026-07-29T08:00:00.702Z","type":"function","record":"INFO reserving stock for order 88213\n"}]"#
        )
        #expect(
            try batch.lines() == [
                #"{"create":{"_index":"lambda-function","_id":"0123456789abcdef-7-0"}}"#,
                #"{"@timestamp":"2026-07-29T08:00:00.702Z","time":"2026-07-29T08:00:00.702Z","type":"function","#
                    + #""record":{"message":"INFO reserving stock for order 88213\n"},"#
                    + #""faas":{"name":"checkout-worker","version":"17","instance":"0123456789abcdef","invocation_id":"3f0c1b9e-5a77-4c0e-9d7b-61d2f0a4c811"},"#
                    + #""cloud":{"account":{"id":"123456789012"},"region":"eu-west-1"}}"#,
            ])
    }

    @Test func `a JSON line of an extension becomes this action line and this document`() throws {
        let intake = try Intake()
        let batch = intake.post(
            #"[{"time":"2026-07-29T08:00:00.351Z","type":"extension","record":{"timestamp":"2026-07-29T08:00:00.350Z","level":"INFO","message":"other extension ready"}}]"#
        )
        #expect(
            try batch.lines() == [
                #"{"create":{"_index":"lambda-extension","_id":"0123456789abcdef-7-0"}}"#,
                #"{"@timestamp":"2026-07-29T08:00:00.351Z","time":"2026-07-29T08:00:00.351Z","type":"extension","#
                    + #""record":{"timestamp":"2026-07-29T08:00:00.350Z","level":"INFO","message":"other extension ready"},"#
                    + #""faas":{"name":"checkout-worker","version":"17","instance":"0123456789abcdef"},"#
                    + #""cloud":{"account":{"id":"123456789012"},"region":"eu-west-1"}}"#,
            ])
    }

    @Test func `what is not known of the function is left out`() throws {
        let intake = try Intake(identity: .snapshot)
        intake.function = FunctionIdentity(name: "f\"", version: "$LATEST")
        let document = try #require(try intake.post(#"[{"type":"function","record":"x"}]"#).documents().first)
        #expect(
            document == #"{"@timestamp":"2026-07-29T08:00:00.000Z","type":"function","record":{"message":"x"},"#
                + #""faas":{"name":"f\"","version":"$LATEST"}}"#)
        intake.function.region = "eu-west-1"
        #expect(try intake.post(#"[{"record":"y"}]"#).documents().first?.member("cloud") == #"{"region":"eu-west-1"}"#)
    }

    @Test(arguments: [
        (#""text\n""#, #"{"message":"text\n"}"#), (#"{"a":1}"#, #"{"a":1}"#), ("{}", "{}"),
        ("null", #"{"message":"null"}"#),
        ("-1.5e3", #"{"message":"-1.5e3"}"#), (#"[1,"x"]"#, #"{"message":"[1,\"x\"]"}"#),
        ("true", #"{"message":"true"}"#),
        (#""""#, #"{"message":""}"#),
    ])
    func `a record is always an object`(record: String, expected: String) throws {
        let intake = try Intake()
        #expect(try intake.post(#"[{"type":"function","record":\#(record)}]"#).records() == [expected])
    }

    @Test func `a missing record is an empty object, a missing type is unknown, a time that is no string is its text`()
        throws
    {
        let intake = try Intake()
        let documents = try intake.post(#"[{"time":17},{"time":null,"type":{"a":1},"record":"x"}]"#).documents()
        #expect(try documents[0].member("record") == "{}")
        #expect(try documents[0].member("type") == #""unknown""#)
        #expect(try documents[0].member("time") == #""17""#)
        #expect(try documents[1].member("type") == #""{\"a\":1}""#)
        #expect(try documents[1].member("time") == #""null""#)
        #expect(try documents[1].member("@timestamp") == #""2026-07-29T08:00:00.000Z""#)
    }

    @Test func `members may come in any order and spelling, the last of a name wins, ours are not overwritten`() throws
    {
        let intake = try Intake()
        let batch = intake.post(
            #"[{"record":"old","faas":1,"x":1,"r\u0065cord":{"requestId":"r-1"},"cloud":2,"t\u0079pe":"function","@timestamp":3,"record_text":"no","x":{"y":[2]},"\u0078y":3,"time":"2026-07-29T08:00:00.702Z"}]"#
        )
        #expect(
            try batch.documents() == [
                #"{"@timestamp":"2026-07-29T08:00:00.702Z","time":"2026-07-29T08:00:00.702Z","type":"function","record":{"requestId":"r-1"},"#
                    + #""x":{"y":[2]},"\u0078y":3,"#
                    + #""faas":{"name":"checkout-worker","version":"17","instance":"0123456789abcdef","invocation_id":"r-1"},"#
                    + #""cloud":{"account":{"id":"123456789012"},"region":"eu-west-1"}}"#
            ])
    }

    @Test func `an element of a hundred members keeps them all`() throws {
        let intake = try Intake()
        let members = (0..<100).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
        let fields = (0..<100).map { "\"f\($0)\":\($0)" }.joined(separator: ",")
        let body =
            #"[{\#(members),"type":"function","record":{\#(fields),"requestId":"r-9"},"time":"2026-07-29T08:00:00.702Z"}]"#
        let document = try #require(try intake.post(body).documents().first)
        #expect(try document.member("k99") == "99")
        #expect(try document.member("record") == "{\(fields),\"requestId\":\"r-9\"}")
        #expect(try document.member("faas")?.member("invocation_id") == #""r-9""#)
        #expect(try document.member("type") == #""function""#)
    }

    @Test func `an element that is no object is an event of its text`() throws {
        let intake = try Intake()
        let batch = intake.post(#"[1,"a",null,[2]]"#)
        #expect(
            try batch.records() == [
                #"{"message":"1"}"#, #"{"message":"\"a\""}"#, #"{"message":"null"}"#, #"{"message":"[2]"}"#,
            ])
        #expect(try batch.documents().allSatisfy { try $0.member("type") == #""unknown""# })
    }

    @Test(arguments: ["", " ", "[]", "[ ]\n", "\u{FEFF}[]"])
    func `a body without elements gives nothing`(body: String) throws {
        let batch = try Intake().post(body)
        #expect(batch.chunks.isEmpty)
        #expect(batch.body == nil)
        #expect(batch.ledger == Ledger())
    }

    @Test func `objects without an array, alone or in lines, are events too`() throws {
        let intake = try Intake()
        #expect(try intake.post(#"{"type":"function","record":"a"}"#).records() == [#"{"message":"a"}"#])
        let lines = intake.post("{\"type\":\"function\",\"record\":\"b\"}\n{\"type\":\"function\",\"record\":\"c\"}\n")
        #expect(try lines.records() == [#"{"message":"b"}"#, #"{"message":"c"}"#])
        let glued = intake.post(#"[{"record":"d"}][{"record":"e"}]"#)
        #expect(try glued.records() == [#"{"message":"d"}"#, #"{"message":"e"}"#])
    }
}
