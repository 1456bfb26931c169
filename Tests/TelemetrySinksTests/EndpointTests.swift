import Testing

@testable import TelemetrySinks

@Suite struct EndpointTests {
    @Test(arguments: [
        ("http://search:9200", "http://search:9200"),
        ("HTTPS://Search.Example.internal", "https://search.example.internal"),
        ("https://search/", "https://search"),
        ("https://search//a/b%2fc/%7E/", "https://search/a/b%2Fc/~"),
        ("http://[::1]:9200/x", "http://[::1]:9200/x"),
        ("http://10.0.0.1:1", "http://10.0.0.1:1"),
    ])
    func `a base URL is kept in its canonical form`(text: String, canonical: String) throws {
        #expect(try Endpoint(parsing: text).description == canonical)
    }

    @Test(arguments: [
        ("", EndpointError.empty), (" http://h", .blankOrControlCharacter), ("http://h\n", .blankOrControlCharacter),
        ("h:9200", .noScheme), ("ftp://h", .unsupportedScheme), ("http://", .emptyHost), ("http:///x", .emptyHost),
        ("http://u:p@/x", .emptyHost), ("http://h:0", .port), ("http://h:65536", .port), ("http://h:", .port),
        ("http://h:9a", .port), ("http://h?x=1", .query), ("http://h/#a", .fragment), ("http://h,i", .host),
        ("http://[::1", .host), ("http://[zz]", .host), ("http://u%zz:p@h", .userInfo), ("http://u%ff@h", .userInfo),
        ("http://u%0a@h", .userInfo), ("http://h/%g", .path), ("http://h/a/../b", .path), ("http://h/%2e", .path),
        ("http://höst", .host),
    ])
    func `what is no base URL is refused with its fault`(text: String, fault: EndpointError) {
        #expect(throws: fault) { try Endpoint(parsing: text) }
    }

    @Test func `user-info is decoded, taken out, and never printed`() throws {
        let endpoint = try Endpoint(parsing: "https://wri%40ter:p%3Aa:ss%2Fw@search:9200/es")
        #expect(endpoint.user == "wri@ter")
        #expect(endpoint.password?.value == "p:a:ss/w")
        #expect(endpoint.description == "https://search:9200/es")
        #expect(endpoint.url(path: ["_bulk"]) == "https://search:9200/es/_bulk")
        var dumped = ""
        dump(endpoint, to: &dumped)
        for text in [dumped, String(reflecting: endpoint), "\(endpoint)", "\(String(describing: endpoint.password))"] {
            #expect(!text.contains("ss/w"))
        }
    }

    @Test func `an error does not quote the URL`() {
        for text in ["http://user:hunter2", "http://user:hunter2@", "http://user:hunter/2@host", "hunter2@host"] {
            do {
                let endpoint = try Endpoint(parsing: text)
                Issue.record("\(endpoint) was taken")
            } catch {
                #expect(!"\(error)".contains("hunter"))
            }
        }
    }

    @Test(arguments: [
        ("gateway:9091", "http://gateway:9091"), ("gateway", "http://gateway"),
        ("gateway:9091/prefix/", "http://gateway:9091/prefix"), ("https://gateway", "https://gateway"),
        ("u:p@gateway:1", "http://gateway:1"),
    ])
    func `a gateway may be given as host and port`(text: String, canonical: String) throws {
        #expect(try Endpoint(parsing: text, form: .urlOrHost).description == canonical)
    }

    @Test func `targets are percent-encoded and their query is sorted`() throws {
        let endpoint = try Endpoint(parsing: "http://h/p")
        #expect(
            endpoint.url(
                path: ["<lx-{now/d}>", "_bulk"], query: [("timeout", "30s"), ("filter_path", "errors,items.*.a b")])
                == "http://h/p/%3Clx-%7Bnow%2Fd%7D%3E/_bulk?filter_path=errors%2Citems.%2A.a%20b&timeout=30s")
    }

    @Test(arguments: [
        ("https://search-demo-x.eu-west-1.es.amazonaws.com", "es", "eu-west-1"),
        ("https://abc123.us-east-2.aoss.amazonaws.com:443", "aoss", "us-east-2"),
        ("https://d.cn-north-1.es.amazonaws.com.cn", "es", "cn-north-1"),
    ])
    func `an Amazon host tells service and region`(text: String, service: String, region: String) throws {
        let found = try #require(try Endpoint(parsing: text).awsService)
        #expect(found.service == service && found.region == region)
    }

    @Test(arguments: [
        "https://es.amazonaws.com", "https://a.b.s3.amazonaws.com", "https://a.b.es.amazonaws.com.evil.org",
    ])
    func `other hosts are no Amazon service`(text: String) throws {
        #expect(try Endpoint(parsing: text).awsService == nil)
    }
}
