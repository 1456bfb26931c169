import CCurl
import CEvent
import Glibc

/// What the process owes its C libraries before the first thread starts.
package enum HTTPTransport {
    /// Initialises libcurl, ignores SIGPIPE, and fixes where host names are looked up. Later calls do nothing.
    ///
    /// libcurl sets up its TLS library here whatever the flags say (since 7.57), about half a millisecond.
    package static func initializeProcess() {
        _ = isInitialized
    }

    /// Gives the calling thread a name of at most 15 bytes, as `ps` and a debugger show it.
    package static func nameThread(_ name: String) {
        _ = cevent_name_thread(name)
    }

    /// `curl_global_init` must not run twice at once; a static initialiser runs once.
    static let isInitialized: Bool = {
        // A write to a connection that the peer has reset must be an error, not the end of the process. libcurl is told
        // not to touch signals (CURLOPT_NOSIGNAL), which leaves this one to us.
        signal(SIGPIPE, SIG_IGN)
        _ = ccurl_resolve_from_files_and_dns()
        // libevent would print its warnings to stderr, which CloudWatch bills.
        event_set_log_callback { _, _ in }
        return curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK
    }()
}

extension Duration {
    /// Whole milliseconds, rounded up, within what C's `long` and `int` carry; never negative.
    var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        guard seconds < 2_000_000 else { return 2_000_000_000 }
        return Int(seconds) * 1000 + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
