import Testing

/// The reader that the other rules stand on.
@Suite struct SwiftCodeTests {
    @Test(arguments: [
        ("let a = 1 // try! b", "let a = 1 "), ("/* a! /* b! */ c! */let d", "let d"), ("f(\"a! // b\")", "f(\"\")"),
        ("\"x\\(a!)y\"", "\" (a!)\""), ("\"\\(b ? \"c!\" : \"d\")\"", "\" (b ? \"\" : \"\")\""),
        ("\"\\\"!\"; a!", "\"\"; a!"), ("#\"\\(a!) \"!\"# + b", "\"\" + b"), ("#\"\\#(a!)\"#", "\" (a!)\""),
        ("\"\"\"\n a! \"b!\"\n\"\"\"", "\"\n\n\""), ("\"\\(f(a, (b)))\"!", "\" (f(a, (b)))\"!"),
    ])
    func `only code is left`(source: String, code: String) {
        #expect(SwiftCode(source).lines.joined(separator: "\n") == code)
    }
}
