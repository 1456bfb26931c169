import Testing

@testable import TelemetryModel

@Suite struct DigestTests {
    @Test func `the digest is MurmurHash3 x64 128, whatever the process`() {
        func digest(_ text: String) -> String {
            var text = text
            return text.withUTF8 { Digest128(of: UnsafeRawBufferPointer($0)).text }
        }
        // Reference values of the public-domain implementation, seed 0.
        #expect(digest("") == "00000000000000000000000000000000")
        #expect(digest("hello") == "cbd8a7b341bd9b025b1e906a48ae1d19")
        #expect(
            digest("The quick brown fox jumps over the lazy dog") == "e34bbc7bbc071b6c7a433ca9c49a9347")
    }

    @Test func `bytes round-trip`() {
        let digest = Digest128(high: 0x0102_0304_0506_0708, low: 0xfffe_fdfc_fbfa_f9f8)
        #expect(Digest128(bytes: digest.bytes) == digest)
        #expect(Digest128(bytes: [1, 2]) == nil)
    }

    @Test func `an environment id is 16 characters that need no escaping`() {
        var generator = SystemRandomNumberGenerator()
        let id = EnvironmentID(using: &generator)
        #expect(EnvironmentID(id.text) == id)
        #expect(id.text.utf8.count == 16)
        #expect(EnvironmentID("short") == nil)
        #expect(EnvironmentID("UPPERCASE0000000") == nil)
    }
}
