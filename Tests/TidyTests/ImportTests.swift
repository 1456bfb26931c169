import Foundation
import Testing

/// The module map: data and imports run one way.
@Suite struct ImportTests {
    /// What a module may depend on. A new edge is a decision: it is made here.
    private static let map: [String: Set<String>] = [
        "TelemetryModel": [],
        "JSON": [],
        "Deflate": ["CISAL", "CZlib"],
        "HTTPTransport": ["CCurl", "CEvent"],
        "LambdaAPI": ["HTTPTransport", "JSON"],
        "TelemetryIntake": ["Deflate", "JSON", "TelemetryModel"],
        "TelemetrySpool": ["CSQLite", "TelemetryModel"],
        "TelemetrySinks": ["Deflate", "HTTPTransport", "JSON", "TelemetryModel"],
        "TelemetryPipeline": [
            "Deflate", "HTTPTransport", "JSON", "TelemetryIntake", "TelemetryModel", "TelemetrySinks", "TelemetrySpool",
        ],
        "ExtensionLifecycle": [
            "Deflate", "HTTPTransport", "LambdaAPI", "TelemetryIntake", "TelemetryModel", "TelemetryPipeline",
            "TelemetrySinks", "TelemetrySpool",
        ],
        "CommandLineTool": [
            "Deflate", "ExtensionLifecycle", "HTTPTransport", "JSON", "TelemetryModel", "TelemetryPipeline",
            "TelemetrySinks", "TelemetrySpool",
        ],
        "permafrost": ["CommandLineTool", "ExtensionLifecycle"],
        "LambdaSimulator": ["Deflate", "HTTPTransport"],
        "Demo": ["LambdaSimulator"],
        "SimulatorTool": ["LambdaSimulator"],
    ]

    @Test func `every module is on the map, and says of itself what the map says`() throws {
        let manifest = try Manifest()
        let folders = try FileManager.default.contentsOfDirectory(
            atPath: Repository.root.appending(path: "Sources").path)
        for folder in folders where !["CCurl", "CEvent", "CISAL", "CSQLite", "CZlib"].contains(folder) {
            let allowed = try #require(Self.map[folder], "Sources/\(folder) is not on the map")
            let declared = try #require(manifest.dependencies[folder], "Sources/\(folder) is no target")
            #expect(declared.isSubset(of: allowed), "\(folder) depends on \(declared.subtracting(allowed).sorted())")
        }
    }

    @Test func `every import is of a module that the target depends on`() throws {
        let manifest = try Manifest()
        for file in try Repository.swiftFiles(below: "Sources") {
            let declared = manifest.dependencies[file.module] ?? []
            for name in file.imports where manifest.dependencies[name] != nil {
                #expect(declared.contains(name), "\(file.path) imports \(name)")
            }
        }
    }

    @Test func `every dependency is imported somewhere`() throws {
        let manifest = try Manifest()
        let files = Dictionary(grouping: try Repository.swiftFiles(below: "Sources"), by: \.module)
        for (module, files) in files {
            let imported = Set(files.flatMap(\.imports))
            let unused = (manifest.dependencies[module] ?? []).subtracting(imported)
            #expect(unused.isEmpty, "\(module) does not import \(unused.sorted())")
        }
    }

    @Test(arguments: [
        ("CSQLite", ["TelemetrySpool", "TelemetrySpoolTests"]), ("CZlib", ["Deflate"]), ("CISAL", ["Deflate"]),
        ("CCurl", ["HTTPTransport"]), ("CEvent", ["HTTPTransport"]),
    ])
    func `a C library has one importer`(library: String, importers: [String]) throws {
        let files = try ["Sources", "Tests", "Benchmarks"].flatMap { try Repository.swiftFiles(below: $0) }
        let found = Set(files.filter { $0.imports.contains(library) }.map(\.module))
        #expect(found.subtracting(importers).isEmpty)
        #expect(found.contains(importers[0]))
    }

    @Test func `nothing that is linked into the extension imports Foundation or a package of others`() throws {
        let manifest = try Manifest()
        let linked = manifest.linked
        #expect(linked.contains("TelemetryPipeline") && !linked.contains("LambdaSimulator"))
        let allowed = linked.union(["Glibc", "Musl", "Synchronization"])
        for file in try Repository.swiftFiles(below: "Sources") where linked.contains(file.module) {
            let foreign = Set(file.imports).subtracting(allowed)
            #expect(foreign.isEmpty, "\(file.path) imports \(foreign.sorted())")
        }
    }
}
