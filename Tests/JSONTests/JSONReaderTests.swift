import Testing

@testable import JSON

@Suite struct JSONReaderTests {
    @Test func `a reader takes what it wants and skips the rest`() throws {
        let text =
            #" {"a":"x\n\u00e9\ud834\udd1e","skip":[{"b":1}],"n":-1.5e1,"i":42,"t":true,"z":null,"l":["p","q"]} "#
        var seen: [String] = []
        try JSONReader.read(Array(text.utf8)) { (reader) throws(JSONError) in
            try reader.beginObject()
            while let key = try reader.nextKey() {
                switch key {
                case "a": seen.append(try reader.string())
                case "n": seen.append("\(try reader.number())")
                case "i": seen.append("\(try reader.integer() ?? 0)")
                case "t": seen.append("\(try reader.bool())")
                case "z": seen.append("\(try reader.null())")
                case "l":
                    try reader.beginArray()
                    while try reader.nextElement() { seen.append(try reader.string()) }
                default: try reader.skip()
                }
            }
            try reader.end()
        }
        #expect(seen == ["x\né𝄞", "-15.0", "42", "true", "true", "p", "q"])
    }

    @Test(arguments: [
        "{", #"{"a""#, #"{"a":"#, #"{"a":1"#, #"{"a":1,"#, #"{"a":1,}"#, #"{"a":1 "b":2}"#, "[", "nope", "", "{}x",
        #"{"a":"\"#, #"{"a":tru"#,
    ])
    func `broken JSON throws and never loops`(text: String) {
        #expect(throws: JSONError.self) {
            try JSONReader.read(Array(text.utf8)) { (reader) throws(JSONError) in
                try reader.beginObject()
                while try reader.nextKey() != nil { try reader.skip() }
                try reader.end()
            }
        }
    }

    @Test func `a wrong kind is a mismatch and an optional string skips it`() throws {
        #expect(throws: JSONError.mismatch(at: 0)) {
            try JSONReader.read(Array("5".utf8)) { (reader) throws(JSONError) in try reader.string() }
        }
        let text = try JSONReader.read(Array(#"[5,"x"]"#.utf8)) { (reader) throws(JSONError) -> [String?] in
            var result: [String?] = []
            try reader.beginArray()
            while try reader.nextElement() { result.append(try reader.optionalString()) }
            return result
        }
        #expect(text == [nil, "x"])
    }

    @Test func `depth is bounded`() {
        #expect(throws: JSONError.tooDeep(at: 2)) {
            try JSONReader.read(Array("[[[]]]".utf8), maximumDepth: 2) { (reader) throws(JSONError) in
                while try reader.peek() == .array {
                    try reader.beginArray()
                    _ = try reader.nextElement()
                }
            }
        }
    }

    @Test func `lone surrogates and false escapes stand for something`() {
        func decode(_ text: String) -> String { Array(text.utf8).withUnsafeBytes { JSONReader.decode($0) } }
        #expect(decode(#"\ud83d"#) == "\u{FFFD}")
        #expect(decode(#"\udd1e\ud834"#) == "\u{FFFD}\u{FFFD}")
        #expect(decode(#"\u0000"#) == "\u{0}")
        #expect(decode(#"\x41\u12"#) == #"\x41\u12"#)
    }
}

@Suite struct JSONWriterTests {
    @Test func `a writer places commas and escapes`() {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("text")
        writer.string("a\"\\\n\u{1}é")
        writer.key("list")
        writer.beginArray()
        writer.integer(-5)
        writer.number(0.1)
        writer.number(.infinity)
        writer.bool(true)
        writer.null()
        writer.beginObject()
        writer.endObject()
        writer.endArray()
        writer.key("raw")
        writer.raw(#"{"x":1}"#.utf8)
        writer.endObject()
        writer.newline()
        writer.beginArray()
        writer.endArray()
        #expect(
            writer.text == #"{"text":"a\"\\\n\u0001é","list":[-5,0.1,null,true,null,{}],"raw":{"x":1}}"# + "\n[]")
    }

    @Test func `a buffer repairs what a line cannot carry`() {
        let buffer = JSONBuffer(capacity: 0)
        func repaired(_ bytes: [UInt8]) -> String {
            buffer.removeAll()
            bytes.withUnsafeBytes { buffer.appendRepaired($0) }
            return String(decoding: buffer.bytes, as: UTF8.self)
        }
        #expect(repaired(Array("{\n\t\"a\"\u{0} : [\r1, \"x\ny\u{1f}\"]}".utf8)) == #"{"a" : [1, "x\ny\u001f"]}"#)
        #expect(repaired(Array(#""\x41\u12\u0000\ud800""#.utf8)) == #""\\x41\\u12\u0000\ud800""#)
        #expect(repaired([0x22, 0x61, 0xff, 0xe2, 0x82, 0xc3, 0xa9, 0x22]) == "\"a\u{FFFD}\u{FFFD}é\"")
        buffer.removeAll()
        for number: UInt64 in [0, 9, 10, 99, 100, 1_000_000, .max] {
            buffer.append(number: number)
            buffer.append(" ")
        }
        #expect(String(decoding: buffer.bytes, as: UTF8.self) == "0 9 10 99 100 1000000 18446744073709551615 ")
    }
}
