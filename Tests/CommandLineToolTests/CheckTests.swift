import LambdaSimulator
import Testing

@testable import CommandLineTool

@Suite struct CheckTests {
    @Test func `a good configuration has nothing wrong with it`() {
        let ran = Ran("check", environment: ["PERMAFROST_OPENSEARCH_URL": "https://user:hunter2@search.example/base"])
        #expect(ran.code == 0)
        #expect(ran.output == "ok: nothing is wrong with the configuration\n")
    }

    @Test func `every problem is named, and no secret is`() {
        let ran = Ran(
            "check",
            environment: [
                "PERMAFROST_OPENSEARCH_URL": "https://user:hunter2@search.example?x=1", "PERMAFROST_PORT": "9001",
                "PERMAFROST_BATCH_EVENT": "5", "PERMAFROST_INDEX_PLATFORM": "Upper",
            ])
        #expect(ran.code == 1)
        let lines = ran.output.split(separator: "\n").map(String.init)
        #expect(lines.count == 4)
        for name in [
            "PERMAFROST_OPENSEARCH_URL", "PERMAFROST_PORT", "PERMAFROST_BATCH_EVENT", "PERMAFROST_INDEX_PLATFORM",
        ] {
            #expect(lines.contains { $0.hasPrefix("problem: \(name) ") })
        }
        #expect(!(ran.output + ran.errors).contains("hunter2"))
    }

    @Test func `no back end at all is a problem`() {
        let ran = Ran("check")
        #expect(ran.code == 1)
        #expect(ran.output.hasPrefix("problem: PERMAFROST_OPENSEARCH_URL and PERMAFROST_PUSHGATEWAY_URL are not set"))
    }

    @Test func `names of the AWS samples that are taken are told`() {
        let ran = Ran("check", environment: ["URL": "http://h:9200", "DISPATCH_MIN_BATCH_SIZE": "5"])
        #expect(ran.code == 0)
        #expect(ran.output.hasPrefix("taken from the AWS samples' names: URL, DISPATCH_MIN_BATCH_SIZE\n"))
    }

    @Test func `both back ends are asked, with their credentials`() throws {
        var options = FakeOpenSearch.Options()
        options.credentials = (user: "user", password: "hunter2")
        let search = try FakeOpenSearch(options: options)
        defer { search.stop() }
        let gateway = try FakePushGateway()
        defer { gateway.stop() }
        let host = search.url.dropFirst("http://".count)
        let ran = Ran(
            "check", "--connect",
            environment: [
                "PERMAFROST_OPENSEARCH_URL": "http://user:hunter2@\(host)", "PERMAFROST_PUSHGATEWAY_URL": gateway.url,
            ])
        #expect(ran.code == 0)
        #expect(ran.output.contains("ok: PERMAFROST_OPENSEARCH_URL leads to OpenSearch "))
        #expect(ran.output.contains("ok: PERMAFROST_PUSHGATEWAY_URL leads to a PushGateway at \(gateway.url)\n"))
        #expect(!(ran.output + ran.errors).contains("hunter2"))
        let refused = Ran("check", "--connect", environment: ["PERMAFROST_OPENSEARCH_URL": search.url])
        #expect(refused.code == 1)
        #expect(
            refused.output
                == "problem: PERMAFROST_OPENSEARCH_URL leads to \(search.url), which wants other credentials (HTTP 401): "
                + "none were sent\n")
    }

    @Test func `each back end is told from the other, and from nothing`() throws {
        let search = try FakeOpenSearch()
        defer { search.stop() }
        let gateway = try FakePushGateway()
        let dead = gateway.url
        let swapped = Ran(
            "check", "--connect",
            environment: ["PERMAFROST_OPENSEARCH_URL": gateway.url, "PERMAFROST_PUSHGATEWAY_URL": search.url])
        #expect(swapped.code == 1)
        #expect(swapped.output.contains("problem: PERMAFROST_OPENSEARCH_URL leads to \(gateway.url)"))
        #expect(swapped.output.contains("problem: PERMAFROST_PUSHGATEWAY_URL leads to \(search.url)"))
        gateway.stop()
        let nothing = Ran("check", "--connect", environment: ["GATEWAY": dead, "AUTH_SECRET": ""])
        #expect(nothing.output.contains("are not set"))
        let closed = Ran("check", "--connect", environment: ["PERMAFROST_PUSHGATEWAY_URL": dead])
        #expect(closed.output.contains("problem: PERMAFROST_PUSHGATEWAY_URL leads to \(dead), where nothing accepts"))
    }

    @Test func `a secret that cannot be had is named by its variable`() {
        let ran = Ran(
            "check", "--connect",
            environment: [
                "PERMAFROST_OPENSEARCH_URL": "http://127.0.0.1:9", "PERMAFROST_AUTH_SECRET": "arn:aws:x:hunter2",
            ])
        #expect(ran.code == 1)
        #expect(
            ran.output
                == "problem: PERMAFROST_OPENSEARCH_URL cannot be asked: PERMAFROST_AUTH_SECRET gives no credentials "
                + "(no_role_credentials)\n")
    }

    @Test func `a gateway gets the secret's login only if it asks`() throws {
        let secrets = try FakeSecretsManager(user: "user", password: "hunter2")
        defer { secrets.stop() }
        let open = try FakePushGateway()
        defer { open.stop() }
        let closed = try FakePushGateway(credentials: (user: "user", password: "hunter2"))
        defer { closed.stop() }
        for gateway in [open, closed] {
            let ran = Ran(
                "check", "--connect",
                environment: [
                    "PERMAFROST_PUSHGATEWAY_URL": gateway.url, "AWS_ACCESS_KEY_ID": "key",
                    "AWS_SECRET_ACCESS_KEY": "key", "AWS_ENDPOINT_URL_SECRETS_MANAGER": secrets.url,
                    "PERMAFROST_AUTH_SECRET": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:login",
                ])
            #expect(ran.code == 0, "\(ran.output)")
        }
        #expect(open.requests.allSatisfy { !$0.isAuthorized })
        #expect(closed.requests.contains { $0.isAuthorized && $0.status == 200 })
    }
}
