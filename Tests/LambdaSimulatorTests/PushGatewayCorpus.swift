import Deflate

@testable import LambdaSimulator

/// Requests that the stand-in and the real PushGateway must answer alike, in order.
enum PushGatewayCorpus {
    struct Request: Sendable {
        var method = "PUT"
        var path = "/metrics/job/corpus"
        var headers: [String: String] = ["Content-Type": "text/plain; version=0.0.4"]
        var body: [UInt8]

        init(_ text: String, method: String = "PUT", path: String = "/metrics/job/corpus") {
            self.method = method
            self.path = path
            body = Array(text.utf8)
        }
    }

    private static let bodies: [String] = [
        "x 1\n", "x 1", "x 1\r\n", "x 1 1785312000000\n", "", "\n\n", "# a comment\n", "# HELP\n", "# TYPE\n",
        "# HELP x\n",
        "# HELP x a text \\\\ \\n end\nx 1\n", "# HELP x bad \\t\nx 1\n", "# TYPE x counter\nx 1\n",
        "# TYPE x nonsense\nx 1\n",
        "# TYPE x COUNTER\nx 1\n", "# TYPE x counter\n# TYPE x counter\nx 1\n", "x 1\n# TYPE x counter\n",
        "# HELP x a\n# HELP x b\nx 1\n", "# TYPE 1x counter\n", "1x 1\n", "x{} 1\n", "x{a=\"b\"} 1\n",
        "x{a=\"b\",} 1\n",
        "x{a=\"b\" 1\n", "x{a=b} 1\n", "x{a} 1\n", "x{1a=\"b\"} 1\n", "x{a=\"b\",a=\"c\"} 1\n", "x{__name__=\"y\"} 1\n",
        "x{a=\"\\t\"} 1\n", "x{a=\"\\\\\\\"\\n\"} 1\n", "x{a=\"line\nbreak\"} 1\n", "x{a=\"b\"}1\n",
        "x\t{a=\"b\"}\t1\n", "  x 1\n",
        "x 0x10\n", "x 1_000\n", "x Inf\n", "x +inf\n", "x nan\n", "x NaN\n", "x 1e400\n", "x .5\n", "x 5.\n", "x +5\n",
        "x\n", "x  \n",
        "x 1 2 3\n", "x 1 abc\n", "x 1\nx 2\n", "x{a=\"1\"} 1\nx{a=\"1\"} 2\n", "x{a=\"1\"} 1\nx{a=\"2\"} 2\n",
        "# EOF\nx 1\n",
        "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n", "# TYPE s summary\ns{quantile=\"p50\"} 1\n",
        "# TYPE s summary\ns_sum 1\n", "# TYPE s summary\ns 1\n", "# TYPE s summary\ns_count 1.5\n",
        "# TYPE s summary\ns{quantile=\"0.9\"} 1\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.5\"} 2\ns_count 1\ns_sum 1\n",
        "s_sum 1\ns_count 1\n# TYPE s summary\ns{quantile=\"0.5\"} 1\n",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n",
        "# TYPE h histogram\nh_bucket{le=\"x\"} 1\n", "# TYPE g gauge\ng 1\n# TYPE x counter\nx 1\ng{a=\"b\"} 1\n",
        "# TYPE go_goroutines counter\ngo_goroutines 1\n", "# TYPE go_info gauge\ngo_info 1\n",
        "# TYPE pushgateway_build_info counter\npushgateway_build_info 1\n", "push_time_seconds 5\nx 1\n",
        "# TYPE push_time_seconds counter\npush_time_seconds 5\n", "x{job=\"other\",instance=\"i\"} 1\n",
        "# TYPE s summary\ns_sum 1\ns_count 1\n# TYPE t counter\ns_sumx 1\n",
        "# TYPE q summary\nq_sum 1\nq_count 1\n", "x:y 1\n", ":x 1\n", "x{a:b=\"c\"} 1\n", "x{a=\"é😀\"} 1\n",
    ]

    private static let paths: [String] = [
        "/metrics/job", "/metrics/job/", "/metrics/jab/x", "/metrics/job/a/b", "/metrics/job/a/b/c",
        "/metrics/job/a/b/c/",
        "/metrics/job/a/", "/metrics/job/a/b/", "/metrics/job/a/1b/c", "/metrics/job/a/__b/c", "/metrics/job/a/b%2Fc/d",
        "/metrics/job/a/b/c%2Fd", "/metrics/job/a%20b", "/metrics/job@base64/dGVhbS9jaGVja291dA",
        "/metrics/job@base64/=",
        "/metrics/job@base64/dGVhbS9jaGVja291dA==", "/metrics/job@base64/++++", "/metrics/job/a/b@base64/=",
        "/metrics/job/a/b@base64/Yy9k", "/metrics/job/a/b@base64/?", "/metrics/job/a/job/b", "/metrics/job/a/b/c/d/e",
        "/metrics/job/a/x/1/y/2", "/metrics/job/a/y/2/x/1", "/metrics/job/a/b//", "/nowhere", "/metrics/job/a/b/%C3%A9",
    ]

    static let requests: [Request] = {
        var all: [Request] = []
        // Each body in an empty gateway, then a group stays behind that later ones may collide with.
        for body in bodies {
            all.append(Request(body))
            all.append(Request("", method: "DELETE"))
        }
        for path in paths {
            all.append(Request("x 1\n", path: path))
            all.append(Request("", method: "DELETE", path: path))
            all.append(Request("", method: "GET", path: path))
        }
        let first = "/metrics/job/corpus/group/1"
        let second = "/metrics/job/corpus/group/2"
        all += [
            Request("# TYPE y summary\ny_sum 1\ny_count 1\nz 1\n", path: first),
            Request("# TYPE y gauge\ny 1\n", path: second), Request("# TYPE y gauge\ny 1\n", path: first),
            Request("# TYPE y summary\ny_sum 1\ny_count 1\n", path: second),
            Request("y_sum 1\n", path: second), Request("# TYPE y_count counter\ny_count 1\n", path: second),
            Request("# TYPE z counter\nz 1\n", path: second), Request("z{group=\"1\"} 1\n", path: second),
            Request("z{l=\"1\"} 1\nz{l=\"2\"} 1\n", method: "POST", path: first),
            Request("z{l=\"3\"} 1\n", method: "POST", path: first), Request("w 1\n", method: "POST", path: first),
            Request("", method: "POST", path: first), Request("x 1 5\n", method: "POST", path: first),
            Request("v 1\n", path: second), Request("", path: second), Request("v 1 5\n", path: "/metrics/job/refused"),
            Request("", method: "PATCH", path: first), Request("", method: "HEAD", path: first),
        ]
        return all + compressed
    }()

    private static let compressed: [Request] = {
        guard let gzip = try? Inflater.gzip(Array("x 1\n".utf8), level: 6) else { return [] }
        func request(_ body: [UInt8], _ encoding: String) -> Request {
            var request = Request("", path: "/metrics/job/zip")
            request.body = body
            request.headers["Content-Encoding"] = encoding
            return request
        }
        return [
            request(gzip, "gzip"), request(gzip + gzip, "gzip"), request(gzip, "GZIP"),
            request(Array("x 1\n".utf8), "gzip"),
            request(Array("x 1\n".utf8), "deflate"),
        ]
    }()
}
