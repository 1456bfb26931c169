import Foundation
import LambdaSimulator

/// The demo: two environments of one function, one with text and one with JSON logs, and what befalls them.
final class Story {
    let options: DemoOptions
    let backEnds: BackEnds
    let markers = MarkerSource()
    let began = ContinuousClock.now
    private(set) var lives: [Life] = []
    private(set) var heldNext: [Duration] = []
    private(set) var invocations = 0
    private(set) var disk: (bytes: Int, events: Int)?

    /// One environment with the platform's books on it.
    struct Life {
        var label: String
        var environment: ExecutionEnvironment
        var books: TelemetryBooks
        var end: ShutdownOutcome?
    }

    init(_ options: DemoOptions) throws {
        self.options = options
        backEnds = try BackEnds(options, run: markers.run)
    }

    var extensionName: String { String(options.binary.split(separator: "/").last ?? "") }

    private func open(_ label: String, _ format: LogFormat) throws -> ExecutionEnvironment {
        var setup = EnvironmentSetup(extensions: [options.binary])
        setup.logFormat = format
        setup.timeout = .seconds(1)
        setup.variables = backEnds.variables
        let books = TelemetryBooks()
        let environment = try ExecutionEnvironment(setup, markers: markers, books: books)
        lives.append(Life(label: label, environment: environment, books: books))
        try environment.start()
        return environment
    }

    // MARK: Chapters

    private var size: Int { options.isQuick ? 1 : 2 }

    func run() throws {
        say("Permafrost under a simulated Lambda. Extension: \(options.binary)")
        say("OpenSearch: \(backEnds.search == nil ? backEnds.searchURL : "stand-in in this process")")
        say("PushGateway: \(backEnds.gateway == nil ? backEnds.gatewayURL : "stand-in in this process")\n")
        let text = try chapter("A cold start, then invocations that print text") { () -> ExecutionEnvironment in
            let environment = try open("text", .text)
            try invoke(environment, times: 6 * size, Self.textLogs(25))
            return environment
        }
        let json = try chapter("A second environment: the function prints JSON") { () -> ExecutionEnvironment in
            let environment = try open("json", .json)
            try invoke(environment, times: 6 * size, Self.jsonLogs(25))
            return environment
        }
        try chapter("Frozen for four seconds between two invocations") {
            try invoke(text, times: 1, Self.textLogs(40))
            text.idle(.seconds(4))
            try invoke(text, times: 2, Self.textLogs(10))
        }
        try chapter("The function hangs: timeout, SHUTDOWN, SIGKILL, a new start on the same /tmp") {
            var hang = Self.textLogs(30)
            hang.ending = .hang
            try invoke(text, times: 1, hang)
            if let reset = text.resets.last, let end = reset.ends[extensionName] {
                say("  after SHUTDOWN: \(end), " + String(format: "%.0f ms", reset.duration.milliseconds))
            }
            try invoke(text, times: 3, Self.textLogs(10))
        }
        try outage(text, json)
        try chapter("The extension is killed with SIGKILL in mid-flight; the next invocation starts it again") {
            try invoke(json, times: 2, Self.jsonLogs(50))
            json.kill(extensionName)
            try invoke(json, times: 2, Self.jsonLogs(10))
        }
        try chapter("Spindown: the last drain within two seconds") {
            for index in lives.indices {
                let end = lives[index].environment.shutdown()
                lives[index].end = end
                say("  \(lives[index].label): " + String(format: "%.0f ms", end.duration.milliseconds))
            }
        }
    }

    private func outage(_ text: ExecutionEnvironment, _ json: ExecutionEnvironment) throws {
        guard backEnds.areStandIns else {
            say("  skipped: the outage (a real server is not this demo's to stop)\n")
            return
        }
        try chapter("Both back ends refuse connections while the function goes on") {
            text.deliverTelemetry()
            let before = text.books.acknowledgedCount
            backEnds.fail()
            try invoke(text, times: 20 * size, Self.textLogs(250))
            try invoke(json, times: 3 * size, Self.jsonLogs(50))
            text.deliverTelemetry()
            say("  answered to the function all the same: next was held \(longestHold()) at most")
            disk = (Self.bytes(in: text.temporaryDirectory + "/permafrost"), text.books.acknowledgedCount - before)
        }
        try chapter("The back ends are there again: the backlog drains while the function runs") {
            try backEnds.recover()
            let deadline = ContinuousClock.now + .seconds(20)
            repeat {
                var invocation = Self.textLogs(5)
                invocation.duration = .milliseconds(200)
                invocation.afterwards = .stayWarm
                try invoke(text, times: 1, invocation)
                try invoke(json, times: 1, invocation)
            } while try undelivered() > 200 && ContinuousClock.now < deadline
        }
    }

    private func longestHold() -> String {
        String(format: "%.1f ms", heldNext.suffix(20 * size).max()?.milliseconds ?? 0)
    }

    /// Events that are acknowledged and in no document yet, over both environments.
    private func undelivered() throws -> Int {
        let acknowledged = lives.reduce(0) { $0 + $1.books.acknowledgedCount }
        return acknowledged - (backEnds.search?.documentCount ?? 0)
    }

    // MARK: Telling it

    private func chapter<R>(_ title: String, _ body: () throws -> R) throws -> R {
        say("\u{25B8} \(title)")
        let start = ContinuousClock.now
        let before = invocations
        let result = try body()
        let acknowledged = lives.reduce(0) { $0 + $1.books.acknowledgedCount }
        var line = "  \(invocations - before) invocations, \(acknowledged) events acknowledged so far"
        if let search = backEnds.search { line += ", \(search.documentCount) documents in OpenSearch" }
        line += String(format: "; %.1f s", (ContinuousClock.now - start).seconds)
        say(line + "\n")
        return result
    }

    private func invoke(_ environment: ExecutionEnvironment, times: Int, _ invocation: Invocation) throws {
        for _ in 0..<times {
            let outcome = try environment.invoke(invocation)
            invocations += 1
            heldNext += outcome.heldNext.values
        }
    }

    // MARK: What the function prints

    static func textLogs(_ count: Int) -> Invocation {
        let lines = (0..<count).map { number in
            FunctionLog.text(
                number % 10 == 9
                    ? "ERROR payment provider answered 503 for order \(88_000 + number), trying again"
                    : "INFO reserved \(number % 4 + 1) of SKU A-\(17 + number % 9) for order \(88_000 + number)")
        }
        return Invocation(duration: .milliseconds(30), logs: lines)
    }

    static func jsonLogs(_ count: Int) -> Invocation {
        let lines = (0..<count).map { number in
            FunctionLog.json([
                .init("level", number % 10 == 9 ? "ERROR" : "INFO"), .init("message", "stock reserved"),
                .init("order", .integer(88_000 + number)),
                .init("item", ["sku": .string("A-\(17 + number % 9)"), "left": .integer(number % 50)]),
                .init("elapsedMs", .number("\(number % 7).25")),
            ])
        }
        return Invocation(duration: .milliseconds(30), logs: lines)
    }

    private static func bytes(in directory: String) -> Int {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.reduce(0) { sum, name in
            let size = (try? FileManager.default.attributesOfItem(atPath: directory + "/" + name))?[.size] as? Int
            return sum + (size ?? 0)
        }
    }
}
