import JSON

/// The strings and integers at the top level of a JSON object. What the control plane answers is no deeper.
struct FlatObject {
    private(set) var strings: [String: String] = [:]
    private(set) var integers: [String: Int64] = [:]

    /// Nil when the bytes are not a JSON object.
    init?(_ bytes: [UInt8]) {
        do throws(JSONError) {
            self = try JSONReader.read(bytes) { reader throws(JSONError) in
                var object = FlatObject()
                try reader.beginObject()
                while let key = try reader.nextKey() {
                    switch try reader.peek() {
                    case .string: object.strings[key] = try reader.string()
                    case .number: object.integers[key] = try reader.integer().map(Int64.init)
                    default: try reader.skip()
                    }
                }
                return object
            }
        } catch {
            return nil
        }
    }

    private init() {}
}
