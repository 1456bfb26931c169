import Foundation
import FuzzTargets
import Testing

/// Sends every input that was kept through its target: seeds from the protocols' own samples, inputs that reach something
/// of their own, and those that once broke a property.
@Suite struct CorpusTests {
    private static let corpus = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Corpus")

    @Test(arguments: FuzzTarget.all.map(\.name))
    func `every kept input keeps the properties of its target`(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let folder = Self.corpus.appending(path: name)
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        #expect(files.count >= 10)
        for file in files {
            let input = Array(try Data(contentsOf: file))
            do {
                try target.check(input)
            } catch {
                Issue.record("\(name)/\(file.lastPathComponent): \(error)")
            }
        }
    }

    @Test func `every folder of inputs has a target`() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Self.corpus.path)
        #expect(Set(folders) == Set(FuzzTarget.all.map(\.name)))
    }
}
