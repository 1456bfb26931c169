import Glibc

/// Where a command writes: results to standard output, everything else to standard error.
package struct Console {
    private let output: ([UInt8]) -> Void
    private let errors: ([UInt8]) -> Void

    package init(output: @escaping ([UInt8]) -> Void, errors: @escaping ([UInt8]) -> Void) {
        self.output = output
        self.errors = errors
    }

    package static var standard: Console {
        Console(output: { Self.write($0, to: STDOUT_FILENO) }, errors: { Self.write($0, to: STDERR_FILENO) })
    }

    func write(_ text: String) {
        output(Array(text.utf8))
    }

    func write(_ bytes: [UInt8]) {
        output(bytes)
    }

    /// One line on standard error.
    func complain(_ sentence: String) {
        errors(Array("permafrost: \(sentence)\n".utf8))
    }

    /// The same console with standard error in the place of standard output: for a report beside an export.
    var reportingOnErrors: Console { Console(output: errors, errors: errors) }

    /// A reader that went away ends the process by SIGPIPE, or makes the rest of the output pointless.
    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        bytes.withUnsafeBytes { buffer in
            var rest = buffer
            while !rest.isEmpty {
                let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }
}
