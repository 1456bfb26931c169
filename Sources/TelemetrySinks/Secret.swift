/// A credential: usable, but never part of a text that somebody prints.
package struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The value itself, for the authentication of a request and nothing else.
    package let value: String

    package init(_ value: String) {
        self.value = value
    }

    package var description: String { "<redacted>" }
    package var debugDescription: String { "<redacted>" }
    /// Empty: `dump` and the default description of an enclosing value go through the mirror.
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
