import CSQLite

extension SpoolError {
    /// `code` is an extended result code; what it means for us is decided by its primary part (the low byte).
    /// https://www.sqlite.org/rescode.html
    init(resultCode code: Int32, during operation: StaticString) {
        switch code & 0xff {
        case SQLITE_FULL: self = .full
        case SQLITE_BUSY, SQLITE_LOCKED: self = .busy
        case SQLITE_CORRUPT, SQLITE_NOTADB: self = .corrupt
        default: self = .io(code: code, during: operation)
        }
    }
}
