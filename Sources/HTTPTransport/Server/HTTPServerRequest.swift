/// One complete request. Stays readable as long as it is kept, also after the answer or the end of the connection.
package struct HTTPServerRequest {
    private let buffer: ReceiveBuffer
    private let head: HTTPRequestParser.Head
    private let body: Range<Int>
    package let method: String
    /// As it was sent: path and query, still percent-encoded.
    package let target: String
    package let remotePort: UInt16

    init(buffer: ReceiveBuffer, head: HTTPRequestParser.Head, body: Range<Int>, remotePort: UInt16) {
        self.buffer = buffer
        self.head = head
        self.body = body
        self.remotePort = remotePort
        method = String(decoding: buffer.bytes[head.method], as: UTF8.self)
        target = String(decoding: buffer.bytes[head.target], as: UTF8.self)
    }

    package var path: String { String(target.prefix { $0 != "?" }) }

    /// Without the question mark; empty when there is none.
    package var query: String { String(target.drop { $0 != "?" }.dropFirst()) }

    package var headers: [HTTPHeader] {
        head.fields.map { HTTPHeader(name: text($0.name), value: text($0.value)) }
    }

    /// The first value of the named field.
    package func header(_ name: String) -> String? {
        head.fields.first { ASCII.equalIgnoringCase(buffer.bytes[$0.name], name.utf8) }.map { text($0.value) }
    }

    package var bodyCount: Int { body.count }

    /// The body in one piece, chunk framing removed. The pointer is valid only inside the call.
    package func withBody<R>(_ work: (UnsafeRawBufferPointer) -> R) -> R {
        work(UnsafeRawBufferPointer(rebasing: buffer.bytes[body]))
    }

    private func text(_ range: Range<Int>) -> String {
        String(decoding: buffer.bytes[range], as: UTF8.self)
    }
}
