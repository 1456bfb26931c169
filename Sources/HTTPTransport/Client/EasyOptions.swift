import CCurl

/// Sets options on one easy handle and remembers the first that was refused.
struct EasyOptions {
    let handle: UnsafeMutableRawPointer
    private(set) var failed: CURLoption?

    init(handle: UnsafeMutableRawPointer) {
        self.handle = handle
    }

    /// What every handle has, whatever it is used for.
    mutating func setCommon() {
        set(CURLOPT_NOSIGNAL, 1)
        // Without it, removing a handle waits for a name look-up that is still under way.
        set(CURLOPT_QUICK_EXIT, 1)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https")
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        set(CURLOPT_NOPROGRESS, 1)
        // The target is sent, and signed, as the caller wrote it.
        set(CURLOPT_PATH_AS_IS, 1)
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        set(CURLOPT_TCP_NODELAY, 1)
        // Of several addresses one that is dead would be tried first each time.
        set(CURLOPT_DNS_SHUFFLE_ADDRESSES, 1)
    }

    mutating func set(_ option: CURLoption, _ value: Int) {
        note(ccurl_set_long(handle, option, value), option)
    }

    mutating func set(_ option: CURLoption, _ value: String) {
        note(ccurl_set_string(handle, option, value), option)
    }

    mutating func set(offset option: CURLoption, _ value: curl_off_t) {
        note(ccurl_set_offset(handle, option, value), option)
    }

    mutating func set(pointer option: CURLoption, _ value: UnsafeMutableRawPointer) {
        note(ccurl_set_pointer(handle, option, value), option)
    }

    mutating func set(list option: CURLoption, _ value: UnsafeMutablePointer<curl_slist>?) {
        note(ccurl_set_list(handle, option, value), option)
    }

    mutating func set(callback option: CURLoption, _ value: @escaping ccurl_transfer_callback) {
        note(ccurl_set_transfer_callback(handle, option, value), option)
    }

    mutating func setSeek(_ value: @escaping ccurl_seek_callback) {
        note(ccurl_set_seek_callback(handle, value), CURLOPT_SEEKFUNCTION)
    }

    private mutating func note(_ code: CURLcode, _ option: CURLoption) {
        if code != CURLE_OK, failed == nil { failed = option }
    }
}
