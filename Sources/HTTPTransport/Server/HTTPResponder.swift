/// The answer to one request. Belongs to the loop's thread; may be kept and answered later.
///
/// Only the first answer counts. Answering after the connection is gone does nothing but report `written(false)`.
package final class HTTPResponder {
    private var connection: ServerConnection?
    private let isHead: Bool
    private let minorVersion: Int
    private var written: ((Bool) -> Void)?

    init(connection: ServerConnection, isHead: Bool, version: Int) {
        self.connection = connection
        self.isHead = isHead
        minorVersion = version
    }

    /// Called once if the peer goes away before it was answered in full. Setting it makes the server look for that: a
    /// peer that only shuts its sending side is then taken for gone as well.
    package var onClose: (() -> Void)? {
        didSet { if onClose != nil { connection?.watchPeer() } }
    }

    /// Whether an answer can still be given.
    package var isOpen: Bool { connection?.isOpen ?? false }

    /// - Parameters:
    ///   - headers: `Connection: close` among them ends the connection; a length is added.
    ///   - written: called exactly once, on the loop: `true` when the kernel has taken the whole answer, `false` when
    ///     the connection went first. May be called before this function returns.
    package func respond(
        status: Int, headers: [HTTPHeader] = [], body: [UInt8] = [], written: ((Bool) -> Void)? = nil
    ) {
        guard let connection, self.written == nil else {
            written?(false)
            return
        }
        self.written = written ?? { _ in }
        let asksToClose = headers.contains {
            $0.isNamed("Connection") && ASCII.equalIgnoringCase($0.value.utf8, "close".utf8)
        }
        let hasBody = status >= 200 && status != 204 && status != 304
        let head = ResponseHead.encode(
            status: status, headers: headers, bodyCount: hasBody ? body.count : nil,
            closes: asksToClose || connection.willClose, minorVersion: minorVersion)
        connection.answer(head, hasBody && !isHead ? body : [], closes: asksToClose)
    }

    /// Closes without an answer.
    ///
    /// - Parameter reset: the peer sees a reset, not an end.
    package func abort(reset: Bool = true) {
        connection?.abort(reset: reset)
    }

    /// Fault injection: any bytes on the wire. Without `thenClose` more may follow; nothing else is read meanwhile.
    package func respondRaw(_ bytes: [UInt8], thenClose: Bool) {
        connection?.answerRaw(bytes, thenClose: thenClose)
    }

    /// Ends an answer given in raw pieces; the connection goes on with the next request.
    package func endRaw() {
        connection?.finishAnswer(closes: false)
    }

    /// The connection is done with this request.
    func end(written isWritten: Bool) {
        connection = nil
        let written = written
        let onClose = onClose
        self.written = nil
        self.onClose = nil
        written?(isWritten)
        if !isWritten { onClose?() }
    }
}

/// Status line and fields of an answer.
enum ResponseHead {
    /// - Parameter bodyCount: `nil` for a status that never has a body.
    static func encode(
        status: Int, headers: [HTTPHeader], bodyCount: Int?, closes: Bool, minorVersion: Int
    ) -> [UInt8] {
        var text = "HTTP/1.1 \(status) \(reason(status))\r\n"
        for header in headers where !header.isNamed("Connection") && !header.isNamed("Content-Length") {
            text += "\(header.name): \(header.value)\r\n"
        }
        if let bodyCount { text += "Content-Length: \(bodyCount)\r\n" }
        if closes {
            text += "Connection: close\r\n"
        } else if minorVersion == 0 {
            text += "Connection: keep-alive\r\n"
        }
        return Array((text + "\r\n").utf8)
    }

    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 413: "Content Too Large"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "Status"
        }
    }
}
