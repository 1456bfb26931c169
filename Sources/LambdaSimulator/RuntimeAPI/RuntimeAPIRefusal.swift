/// A refused call, in the words of AWS's emulator: nearly every mistake of a client is a 403.
struct RuntimeAPIRefusal: Error, Equatable, Sendable {
    var status: Int
    var type: String
    var message: String

    init(_ type: String, _ message: String, status: Int = 403) {
        self.status = status
        self.type = type
        self.message = message
    }

    var body: [UInt8] {
        (["errorMessage": .string(message), "errorType": .string(type)] as JSONValue).encoded
    }

    static let missingName = RuntimeAPIRefusal("Extension.InvalidExtensionName", "Empty extension name")
    static let malformedBody = RuntimeAPIRefusal("InvalidRequestFormat", "Request body is not valid JSON")
    static let obsoleteKeys = RuntimeAPIRefusal("InvalidRequestFormat", "configurationKeys is obsolete")
    static let registrationClosed = RuntimeAPIRefusal(
        "Extension.RegistrationClosed", "Extension registration closed already")
    static let tooMany = RuntimeAPIRefusal("Extension.TooManyExtensions", "Extension limit reached")
    static let missingIdentifier = RuntimeAPIRefusal(
        "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
    static let invalidIdentifier = RuntimeAPIRefusal(
        "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
    static let unknownIdentifier = RuntimeAPIRefusal(
        "Extension.UnknownExtensionIdentifier", "Unknown extension identifier")
    static let missingErrorType = RuntimeAPIRefusal(
        "Extension.MissingHeader", "Missing Lambda-Extension-Function-Error-Type header")
    static let containerError = RuntimeAPIRefusal("Runtime.ContainerError", "Container error", status: 500)

    static func invalidState(_ message: String) -> RuntimeAPIRefusal {
        .init("Extension.InvalidExtensionState", message)
    }

    static func invalidEvent(_ name: String) -> RuntimeAPIRefusal {
        .init("Extension.InvalidEventType", "\(name): invalid event type")
    }
}
