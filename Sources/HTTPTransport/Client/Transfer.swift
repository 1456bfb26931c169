import CCurl

/// One exchange on one easy handle: the request's bytes while they are read, the answer while it is written.
///
/// The handle's callbacks hold an unretained pointer to this object. Its owner, ``HTTPClient`` or ``TransferLoop``,
/// keeps it alive until the handle is reset or cleaned up.
final class Transfer {
    let request: HTTPRequest
    /// `false` ends the transfer with `.cancelled`.
    private let onBody: ((UnsafeRawBufferPointer) -> Bool)?
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private var bodyOffset = 0
    private var status = 0
    private var headers: [HTTPHeader] = []
    private var body: [UInt8] = []
    /// What a callback found, more exact than the code libcurl then returns.
    private var failure: HTTPError?
    var isCancelled = false

    init(_ request: HTTPRequest, onBody: ((UnsafeRawBufferPointer) -> Bool)?) {
        self.request = request
        self.onBody = onBody
    }

    deinit { curl_slist_free_all(headerList) }

    // MARK: Set-up

    /// Applies every option to a handle that was just made or reset.
    func configure(_ handle: UnsafeMutableRawPointer) throws(HTTPError) {
        guard let url = RequestURL(request.url) else { throw .invalid("URL") }
        guard Self.isToken(request.method) else { throw .invalid("method") }
        var options = EasyOptions(handle: handle)
        options.setCommon()
        options.set(CURLOPT_URL, request.url)
        options.set(CURLOPT_CONNECTTIMEOUT_MS, max(1, request.connectTimeout.wholeMilliseconds))
        options.set(CURLOPT_TIMEOUT_MS, request.totalTimeout.map { max(1, $0.wholeMilliseconds) } ?? 0)
        options.set(CURLOPT_FRESH_CONNECT, request.requiresFreshConnection ? 1 : 0)
        if url.scheme == "https", let bundle = TrustStore.bundle { options.set(CURLOPT_CAINFO, bundle) }
        // The empty name switches off the proxies of the environment too.
        switch request.proxy {
        case .never: options.set(CURLOPT_PROXY, "")
        case .environment: if url.isLocal { options.set(CURLOPT_PROXY, "") }
        }
        setMethodAndBody(&options)
        try setHeaders(&options, url: url)
        setCallbacks(&options)
        guard options.failed == nil else { throw .internal("libcurl refused an option") }
    }

    private func setMethodAndBody(_ options: inout EasyOptions) {
        if let body = request.body {
            // POST with a read function, whatever the method is called: the length is known, and a body that can be
            // read again is what lets libcurl resend on a kept connection that turns out to be dead.
            options.set(CURLOPT_POST, 1)
            options.set(offset: CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
            options.set(CURLOPT_CUSTOMREQUEST, request.method)
        } else if request.method == "HEAD" {
            options.set(CURLOPT_NOBODY, 1)
        } else if request.method != "GET" {
            options.set(CURLOPT_CUSTOMREQUEST, request.method)
        }
    }

    private func setHeaders(_ options: inout EasyOptions, url: RequestURL) throws(HTTPError) {
        // No wait for a 100; no media type but the request's own.
        try addHeaderLine("Expect:")
        if request.body != nil, !request.headers.contains(where: { $0.isNamed("Content-Type") }) {
            try addHeaderLine("Content-Type:")
        }
        for header in request.headers {
            guard Self.isToken(header.name), !header.value.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 }) else {
                throw .invalid("header field")
            }
            // "Name:" alone would remove the field; the semicolon is how libcurl spells an empty value.
            try addHeaderLine(header.value.isEmpty ? "\(header.name);" : "\(header.name): \(header.value)")
        }
        switch request.authentication {
        case .none: break
        case .basic(let user, let password):
            options.set(CURLOPT_HTTPAUTH, ccurl_auth_basic)
            options.set(CURLOPT_USERNAME, user)
            options.set(CURLOPT_PASSWORD, password)
        case .awsSigV4(let service, let region, let accessKey, let secretKey, let sessionToken):
            options.set(CURLOPT_AWS_SIGV4, "aws:amz:\(region):\(service)")
            options.set(CURLOPT_USERNAME, accessKey)
            options.set(CURLOPT_PASSWORD, secretKey)
            // libcurl 7.88 can hash only a body it was given as one string.
            try addHeaderLine("x-amz-content-sha256: \(BodyDigest.sha256Hex(request.body ?? []))")
            if let sessionToken { try addHeaderLine("X-Amz-Security-Token: \(sessionToken)") }
            // It signs the host without the port, but sends it with the port.
            if url.port != nil { try addHeaderLine("Host: \(url.hostField)") }
        }
        options.set(list: CURLOPT_HTTPHEADER, headerList)
    }

    private func addHeaderLine(_ line: String) throws(HTTPError) {
        guard let list = curl_slist_append(headerList, line) else { throw .internal("out of memory") }
        headerList = list
    }

    private func setCallbacks(_ options: inout EasyOptions) {
        let owner = Unmanaged.passUnretained(self).toOpaque()
        options.set(callback: CURLOPT_WRITEFUNCTION) { bytes, size, count, owner in
            guard let owner, let bytes else { return 0 }
            let transfer = Unmanaged<Transfer>.fromOpaque(owner).takeUnretainedValue()
            return transfer.receive(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
        }
        options.set(pointer: CURLOPT_WRITEDATA, owner)
        options.set(callback: CURLOPT_HEADERFUNCTION) { bytes, size, count, owner in
            guard let owner, let bytes else { return 0 }
            let transfer = Unmanaged<Transfer>.fromOpaque(owner).takeUnretainedValue()
            transfer.receiveHeaderLine(UnsafeRawBufferPointer(start: bytes, count: size * count))
            return size * count
        }
        options.set(pointer: CURLOPT_HEADERDATA, owner)
        options.set(callback: CURLOPT_READFUNCTION) { bytes, size, count, owner in
            guard let owner, let bytes else { return Int(CURL_READFUNC_ABORT) }
            let transfer = Unmanaged<Transfer>.fromOpaque(owner).takeUnretainedValue()
            return transfer.readBody(into: UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
        }
        options.set(pointer: CURLOPT_READDATA, owner)
        options.setSeek { owner, offset, origin in
            guard let owner, origin == SEEK_SET else { return CURL_SEEKFUNC_FAIL }
            return Unmanaged<Transfer>.fromOpaque(owner).takeUnretainedValue().rewindBody(to: offset)
        }
        options.set(pointer: CURLOPT_SEEKDATA, owner)
    }

    // MARK: Callbacks

    private func readBody(into space: UnsafeMutableRawBufferPointer) -> Int {
        (request.body ?? []).withUnsafeBytes { bytes in
            let count = min(space.count, bytes.count - bodyOffset)
            guard count > 0 else { return 0 }
            space.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[bodyOffset..<(bodyOffset + count)]))
            bodyOffset += count
            return count
        }
    }

    private func rewindBody(to offset: curl_off_t) -> Int32 {
        guard offset >= 0, offset <= curl_off_t(request.body?.count ?? 0) else { return CURL_SEEKFUNC_FAIL }
        bodyOffset = Int(offset)
        return CURL_SEEKFUNC_OK
    }

    private func receiveHeaderLine(_ line: UnsafeRawBufferPointer) {
        // A status line begins a new head: after an interim 1xx, or after a proxy's own answer.
        if line.starts(with: "HTTP/".utf8) {
            headers.removeAll(keepingCapacity: true)
            body.removeAll()
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
            status = fields.count > 1 ? Int(String(decoding: fields[1].prefix(3), as: UTF8.self)) ?? 0 : 0
            return
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), headers.count < 200 else { return }
        let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A }
        var end = line.endIndex
        while end > colon + 1, isBlank(line[end - 1]) { end -= 1 }
        let value = line[(colon + 1)..<end].drop(while: isBlank)
        headers.append(
            HTTPHeader(
                name: String(decoding: line[..<colon], as: UTF8.self), value: String(decoding: value, as: UTF8.self)))
    }

    private func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if isCancelled { return false }
        if let onBody {
            guard onBody(bytes), !isCancelled else {
                failure = .cancelled
                return false
            }
            return true
        }
        guard bytes.count <= request.responseLimit - body.count else {
            failure = .responseTooLarge
            return false
        }
        body.append(contentsOf: bytes)
        return true
    }

    // MARK: Progress and outcome

    /// 0 until the head of an answer has begun.
    var statusSoFar: Int { status }

    func outcome(_ code: CURLcode) -> Result<HTTPResponse, HTTPError> {
        if let failure { return .failure(failure) }
        guard code == CURLE_OK else { return .failure(Self.error(for: code, answerBegun: status != 0)) }
        guard status >= 100 else { return .failure(.malformedAnswer) }
        return .success(HTTPResponse(status: status, headers: headers, body: body))
    }

    private static func error(for code: CURLcode, answerBegun: Bool) -> HTTPError {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST: .resolve
        case CURLE_COULDNT_RESOLVE_PROXY, CURLE_PROXY: .proxy
        case CURLE_COULDNT_CONNECT: .connect
        case CURLE_OPERATION_TIMEDOUT: .timeout
        case CURLE_GOT_NOTHING: .closedWithoutAnswer
        case CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE, CURLE_SEND_FAIL_REWIND, CURLE_READ_ERROR:
            .interrupted
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CRL_BADFILE, CURLE_SSL_SHUTDOWN_FAILED,
            CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED,
            CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_CLIENTCERT, CURLE_USE_SSL_FAILED:
            .tls
        case CURLE_URL_MALFORMAT, CURLE_BAD_FUNCTION_ARGUMENT: .invalid("URL")
        // With http and https alone allowed and checked before, this is libcurl's name for a peer that speaks HTTP/0.9.
        case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING: .malformedAnswer
        case CURLE_OUT_OF_MEMORY: .internal("out of memory")
        case CURLE_WRITE_ERROR, CURLE_ABORTED_BY_CALLBACK: .cancelled
        default: answerBegun ? .interrupted : .internal("libcurl failed")
        }
    }

    /// RFC 9110 §5.6.2.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}
