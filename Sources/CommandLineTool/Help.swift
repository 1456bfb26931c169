import ExtensionLifecycle

/// `permafrost help`. The table of variables comes from ``EnvironmentKey``, so that it names every one.
package enum Help {
    static func write(to console: Console) -> Int32 {
        console.write(text)
        return CommandLineTool.ExitCode.success
    }

    package static var text: String {
        """
        permafrost \(CommandLineTool.version)

        Without arguments it is an AWS Lambda extension, to be started by Lambda from /opt/extensions: it keeps the
        Telemetry API's events in a spool on disk and drains them to OpenSearch and to a Prometheus PushGateway.

        Commands:
          permafrost inspect DIR_OR_FILE [--rejects] [--export FILE|-] [--json]
              What a spool holds: its books, what waits, what was rejected. It reads a copy that it makes itself, so
              the spool may be in use. --rejects lists the rejected documents with the back end's reasons, which may
              quote them. --export writes the documents that wait and those that were rejected as bulk NDJSON; with -
              they go to standard output and the report to standard error.
          permafrost replay DIR_OR_FILE [--backlog] [--url URL]
              Sends the rejects of a spool, with --backlog what waits too, to OpenSearch: a copy again, the documents
              under their own ids with create, so that none is stored twice. The URL comes from --url or
              \(EnvironmentKey.openSearchURL.rawValue). Exit code 1 when something was not taken.
          permafrost check [--connect]
              Says what is wrong with the variables below as they are set here; with --connect it asks both back ends.
              Exit code 1 when something is.
          permafrost version
          permafrost help

        Variables (default; alias of the AWS samples):

        """ + EnvironmentKey.allCases.map(line).joined()
    }

    private static func line(_ key: EnvironmentKey) -> String {
        var notes: [String] = []
        if !key.defaultText.isEmpty { notes.append(key.defaultText) }
        if let alias = key.alias { notes.append("alias \(alias)") }
        let note = notes.isEmpty ? "" : " (\(notes.joined(separator: "; ")))"
        return "  \(key.rawValue)\(note)\n      \(key.meaning)\n"
    }
}
