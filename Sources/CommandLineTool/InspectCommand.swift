import TelemetrySpool

/// `permafrost inspect`: says what a spool holds, and writes out its documents.
struct InspectCommand {
    private let path: String
    private let listsRejects: Bool
    private let writesJSON: Bool
    /// Nil without an export, `-` for standard output.
    private let export: String?

    init(_ words: ArraySlice<String>) throws(UsageError) {
        let options = try Options(words, flags: ["--rejects", "--json"], valued: ["--export"])
        path = try options.only("the spool's directory or file")
        listsRejects = options.has("--rejects")
        writesJSON = options.has("--json")
        export = options.value("--export")
    }

    func run(on console: Console) -> Int32 {
        guard let reader = SpoolCopy.open(path, on: console) else { return CommandLineTool.ExitCode.failure }
        do throws(SpoolError) {
            let contents = try SpoolContents(reader, path: path, listsRejects: listsRejects)
            let report = export == "-" ? console.reportingOnErrors : console
            report.write(writesJSON ? contents.json : Array(contents.text.utf8))
            guard let export else { return CommandLineTool.ExitCode.success }
            return try write(reader, to: export, console)
        } catch {
            console.complain(SpoolCopy.sentence(error, path))
            return CommandLineTool.ExitCode.failure
        }
    }

    private func write(_ reader: SpoolReader, to target: String, _ console: Console) throws(SpoolError) -> Int32 {
        let file: OutputFile?
        if target == "-" {
            file = nil
        } else {
            guard let made = OutputFile(path: target) else {
                console.complain(
                    "\(target) cannot be written: it is there already, or its folder cannot be written to.")
                return CommandLineTool.ExitCode.failure
            }
            file = made
        }
        var documents = SpooledDocuments()
        var count = 0
        let put = { (document: SpooledDocument) in
            count += 1
            if let file { file.append(document.lines) } else { console.write(document.lines) }
        }
        try documents.backlog(reader, put)
        try documents.rejects(reader, put)
        console.complain(
            "\(count) documents exported\(target == "-" ? "" : " to \(target)")."
                + (documents.rawRejects > 0
                    ? " \(documents.rawRejects) rejects are raw text and no documents: '--rejects --json' shows them."
                    : ""))
        if documents.damagedChunks > 0 {
            console.complain("\(documents.damagedChunks) chunks are damaged and were left out.")
        }
        if let file, !file.finish() {
            console.complain("\(target) could not be written to its end.")
            return CommandLineTool.ExitCode.failure
        }
        return documents.damagedChunks == 0 ? CommandLineTool.ExitCode.success : CommandLineTool.ExitCode.failure
    }
}
