// swift-tools-version: 6.2
import PackageDescription

// The module map. Data and imports run one way: listener, intake, spool, pipeline, sinks; the lifecycle builds them all.
let package = Package(
    name: "permafrost",
    products: [
        .executable(name: "permafrost", targets: ["permafrost"]),
        .executable(name: "permafrost-demo", targets: ["Demo"]),
        .executable(name: "lambda-simulator", targets: ["SimulatorTool"]),
    ],
    targets: [
        // C libraries of the distribution, one importer each.
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CEvent", pkgConfig: "libevent", providers: [.apt(["libevent-dev"])]),

        // What is linked into the extension.
        .target(name: "TelemetryModel"),
        .target(name: "JSON"),
        .target(name: "Deflate", dependencies: ["CISAL", "CZlib"]),
        .target(name: "HTTPTransport", dependencies: ["CCurl", "CEvent"]),
        .target(name: "LambdaAPI", dependencies: ["HTTPTransport", "JSON"]),
        .target(name: "TelemetryIntake", dependencies: ["Deflate", "JSON", "TelemetryModel"]),
        .target(name: "TelemetrySpool", dependencies: ["CSQLite", "TelemetryModel"]),
        .target(name: "TelemetrySinks", dependencies: ["Deflate", "HTTPTransport", "JSON", "TelemetryModel"]),
        .target(
            name: "TelemetryPipeline",
            dependencies: [
                "Deflate", "HTTPTransport", "JSON", "TelemetryIntake", "TelemetryModel", "TelemetrySinks",
                "TelemetrySpool",
            ]),
        .target(
            name: "ExtensionLifecycle",
            dependencies: [
                "Deflate", "HTTPTransport", "LambdaAPI", "TelemetryIntake", "TelemetryModel", "TelemetryPipeline",
                "TelemetrySinks", "TelemetrySpool",
            ]),
        .target(
            name: "CommandLineTool",
            dependencies: [
                "Deflate", "ExtensionLifecycle", "HTTPTransport", "JSON", "TelemetryModel", "TelemetryPipeline",
                "TelemetrySinks", "TelemetrySpool",
            ]),
        .executableTarget(name: "permafrost", dependencies: ["CommandLineTool", "ExtensionLifecycle"]),

        // The harness: never linked into the extension.
        .target(name: "LambdaSimulator", dependencies: ["Deflate", "HTTPTransport"]),
        .executableTarget(name: "Demo", dependencies: ["LambdaSimulator"]),
        .executableTarget(name: "SimulatorTool", dependencies: ["LambdaSimulator"]),
        .executableTarget(
            name: "LambdaHarness", dependencies: ["Deflate", "HTTPTransport", "LambdaSimulator"],
            path: "Benchmarks/LambdaHarness"),

        .testTarget(name: "TelemetryModelTests", dependencies: ["TelemetryModel"]),
        .testTarget(name: "JSONTests", dependencies: ["JSON"]),
        .testTarget(name: "DeflateTests", dependencies: ["Deflate"]),
        .testTarget(name: "HTTPTransportTests", dependencies: ["HTTPTransport"]),
        .testTarget(name: "LambdaAPITests", dependencies: ["LambdaAPI", "HTTPTransport", "JSON"]),
        .testTarget(
            name: "TelemetryIntakeTests", dependencies: ["TelemetryIntake", "Deflate", "JSON", "TelemetryModel"]),
        .testTarget(name: "TelemetrySpoolTests", dependencies: ["TelemetrySpool", "TelemetryModel", "CSQLite"]),
        .testTarget(
            name: "TelemetrySinksTests",
            dependencies: ["TelemetrySinks", "Deflate", "JSON", "HTTPTransport", "LambdaSimulator", "TelemetryModel"]),
        .testTarget(
            name: "TelemetryPipelineTests",
            dependencies: [
                "TelemetryPipeline", "TelemetrySinks", "TelemetrySpool", "TelemetryIntake", "TelemetryModel",
                "HTTPTransport", "Deflate", "JSON", "LambdaSimulator",
            ]),
        .testTarget(
            name: "ExtensionLifecycleTests",
            dependencies: [
                "Deflate", "ExtensionLifecycle", "HTTPTransport", "LambdaAPI", "LambdaSimulator", "TelemetryIntake",
                "TelemetryModel", "TelemetryPipeline", "TelemetrySinks", "TelemetrySpool",
            ]),
        .testTarget(
            name: "CommandLineToolTests",
            dependencies: [
                "CommandLineTool", "Deflate", "ExtensionLifecycle", "HTTPTransport", "JSON", "LambdaSimulator",
                "TelemetryModel", "TelemetrySinks", "TelemetrySpool",
            ]),
        .testTarget(
            name: "LambdaSimulatorTests", dependencies: ["LambdaSimulator", "HTTPTransport", "JSON", "Deflate"]),
        .testTarget(name: "SystemTests", dependencies: ["LambdaSimulator", "JSON", "Deflate"]),
        .testTarget(
            name: "TidyTests",
            dependencies: ["ExtensionLifecycle", "TelemetryIntake", "TelemetryModel", "TelemetrySinks"]),
        // What must hold for any foreign bytes: for the kept ones in every test run, for new ones under libFuzzer.
        .target(
            name: "FuzzTargets",
            dependencies: [
                "Deflate", "ExtensionLifecycle", "HTTPTransport", "JSON", "LambdaSimulator", "TelemetryIntake",
                "TelemetryModel", "TelemetrySinks",
            ], path: "Tests/Fuzzing/Targets"),
        .testTarget(name: "FuzzingTests", dependencies: ["FuzzTargets"], path: "Tests/Fuzzing/Replay"),
    ]
)

// libFuzzer is linked by `Tests/fuzz` alone.
if Context.environment["PERMAFROST_FUZZING"] != nil {
    package.targets += [
        .systemLibrary(name: "CLibFuzzer", path: "Tests/Fuzzing/CLibFuzzer"),
        .executableTarget(
            name: "Fuzzer", dependencies: ["CLibFuzzer", "FuzzTargets"], path: "Tests/Fuzzing/Driver"),
    ]
}

for target in package.targets where target.type != .system {
    target.swiftSettings = [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .treatAllWarnings(as: .error),
    ]
    let harness = ["LambdaSimulator", "Demo", "SimulatorTool", "LambdaHarness", "FuzzTargets", "Fuzzer"]
    if target.type == .test || harness.contains(target.name) {
        // libevent's headers define _GNU_SOURCE; Foundation's C modules must see the same system types (`fd_set`) where
        // both are imported. HTTPTransport's own tests do without Foundation.
        if target.name != "HTTPTransportTests" { target.cSettings = [.define("_GNU_SOURCE")] }
    } else {
        // Neither the concurrency runtime with Dispatch nor the regular expression engine is linked into the extension:
        // three threads that block in C do not need them, and they are a sixth of the zip. Code that uses them fails to
        // compile.
        target.swiftSettings? += [
            .unsafeFlags([
                "-Xfrontend", "-disable-implicit-concurrency-module-import",
                "-Xfrontend", "-disable-implicit-string-processing-module-import",
            ])
        ]
    }
}
