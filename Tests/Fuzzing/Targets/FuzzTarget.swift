/// One kind of foreign bytes, and what must hold for any of them.
///
/// The same function is libFuzzer's (`Tests/fuzz`) and the tests', which send the whole kept corpus through it.
package struct FuzzTarget: Sendable {
    /// Also the name of its folder in `Tests/Fuzzing/Corpus`.
    package let name: String
    /// Throws a ``Finding`` when a property does not hold.
    package let check: @Sendable ([UInt8]) throws -> Void

    package static let all = [
        FuzzTarget(name: "bulk", check: BulkTarget.check),
        FuzzTarget(name: "configuration", check: ConfigurationTarget.check),
        FuzzTarget(name: "groups", check: GroupsTarget.check),
        FuzzTarget(name: "http", check: HTTPTarget.check),
        FuzzTarget(name: "intake", check: IntakeTarget.check),
        FuzzTarget(name: "json", check: JSONTarget.check),
    ]

    package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// A property that some input breaks.
struct Finding: Error, CustomStringConvertible {
    let description: String
}

func expect(_ holds: Bool, _ text: @autoclosure () -> String) throws {
    if !holds { throw Finding(description: text()) }
}

func expectEqual<Value: Equatable>(_ first: Value, _ second: Value, _ text: @autoclosure () -> String) throws {
    if first != second { throw Finding(description: "\(text()): \(first) is not \(second)") }
}
