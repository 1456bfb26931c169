import Testing

@testable import LambdaSimulator

@Suite struct FakePushGatewayTests {
    private let path = "/metrics/job/checkout/instance/9f2c"

    private func send(_ gateway: FakePushGateway, _ method: String, _ text: String) throws -> PlainHTTP.Answer {
        try PlainHTTP.send(method, gateway.url + path, body: Array(text.utf8))
    }

    private static let summary = """
        # HELP d Duration.
        # TYPE d summary
        d{quantile="0.5"} 0.139
        d_sum 41.27
        d_count 212

        """

    @Test func `PUT replaces the group, POST the families, DELETE all of it`() throws {
        let gateway = try FakePushGateway()
        #expect(try send(gateway, "PUT", "x 1\ny 2\n").status == 200)
        #expect(try send(gateway, "POST", "x 3\n").status == 200)
        #expect(gateway.families["x"]?.metrics.first?.value == .number(3))
        #expect(gateway.families["y"]?.metrics.first?.value == .number(2))
        #expect(try send(gateway, "PUT", "z 1\n").status == 200)
        #expect(gateway.families.keys.sorted() == ["push_failure_time_seconds", "push_time_seconds", "z"])
        #expect(try send(gateway, "DELETE", "").status == 202)
        #expect(gateway.groupLabels.isEmpty)
    }

    @Test func `the scrape shows a summary as Prometheus reads it`() throws {
        let gateway = try FakePushGateway()
        #expect(try send(gateway, "PUT", Self.summary).status == 200)
        #expect(
            gateway.scrape.hasPrefix(
                """
                # HELP d Duration.
                # TYPE d summary
                d{instance="9f2c",job="checkout",quantile="0.5"} 0.139
                d_sum{instance="9f2c",job="checkout"} 41.27
                d_count{instance="9f2c",job="checkout"} 212

                """))
    }

    @Test func `a refused push leaves a group without its metrics`() throws {
        let gateway = try FakePushGateway()
        let refused = try send(gateway, "PUT", "x 1 1785312000000\n")
        #expect(refused.status == 400)
        #expect(
            String(decoding: refused.body, as: UTF8.self)
                == "pushed metrics are invalid or inconsistent with existing metrics: "
                + "pushed metrics must not have timestamps\n")
        #expect(gateway.groupLabels == [["job": "checkout", "instance": "9f2c"]])
        #expect(gateway.families["x"] == nil)
        #expect(try send(gateway, "PUT", "x 1").status == 400)
    }

    @Test func `a family of another type is refused in every group`() throws {
        let gateway = try FakePushGateway()
        #expect(gateway.push("# TYPE d gauge\nd 1\n", labels: ["job": "other"]) == nil)
        let refused = try send(gateway, "PUT", Self.summary)
        #expect(refused.status == 400)
        #expect(String(decoding: refused.body, as: UTF8.self).contains(#"collected metric "d" is not a GAUGE"#))
    }

    @Test func `faults strike pushes and not scrapes`() throws {
        let gateway = try FakePushGateway()
        gateway.faults.set([Fault(.status(503), count: 1), Fault(.lostAnswer, count: 1)])
        #expect(try PlainHTTP.send("GET", gateway.url + "/metrics").status == 200)
        #expect(try send(gateway, "PUT", "x 1\n").status == 503)
        #expect(gateway.groupLabels.isEmpty)
        #expect((try? send(gateway, "PUT", "x 1\n")) == nil)
        #expect(gateway.groupLabels.count == 1)
    }

    @Test(arguments: [
        (0.139, "0.139"), (1e6, "1e+06"), (123_456, "123456"), (1_795_571_108.0574188, "1.7955711080574188e+09"),
        (0.00001234, "1.234e-05"), (-0.5, "-0.5"), (.infinity, "+Inf"), (.nan, "NaN"), (0, "0"),
    ])
    func `numbers are printed as Go prints them`(value: Double, text: String) {
        #expect(GoFloat.format(value) == text)
    }
}
