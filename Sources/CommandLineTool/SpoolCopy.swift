import TelemetrySpool

/// The copy of a spool that a command reads.
enum SpoolCopy {
    /// - Returns: nil after it has said why not.
    static func open(_ path: String, on console: Console) -> SpoolReader? {
        do throws(SpoolError) {
            let reader = try SpoolReader.copying(spoolAt: path)
            console.complain("Reading a copy of \(path), as it was just now; the spool itself is left alone.")
            return reader
        } catch {
            console.complain(sentence(error, path))
            return nil
        }
    }

    static func sentence(_ error: SpoolError, _ path: String) -> String {
        switch error {
        case .corrupt:
            "\(path) is damaged: SQLite cannot read it. The extension salvages such a spool when it starts on it."
        case .full: "There is no room in /tmp for a copy of \(path)."
        case .io(_, let operation) where operation.description == "copy":
            "\(path) cannot be read, or not copied to /tmp."
        case .internal(let what) where what.description == "not_a_spool":
            "\(path) is no spool, or one of another version of permafrost."
        case .busy: "\(path) changed whenever it was copied: its process is busy, try again."
        case .io, .internal, .notOpen, .stale: "\(path) cannot be read (\(error))."
        }
    }
}
