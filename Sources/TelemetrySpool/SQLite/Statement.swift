import CSQLite

/// What a statement is given.
enum SQLValue {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])

    static func integer(_ value: Int) -> SQLValue { .integer(Int64(value)) }
    static func optional(_ text: String?) -> SQLValue { text.map(SQLValue.text) ?? .null }
}

/// A prepared statement of one ``Connection``. Only the connection steps it, and resets it in the same call.
final class Statement {
    let handle: OpaquePointer

    init(handle: OpaquePointer) {
        self.handle = handle
    }

    deinit {
        sqlite3_finalize(handle)
    }

    func bind(_ values: [SQLValue]) -> Int32 {
        var index: Int32 = 1
        for value in values {
            let code =
                switch value {
                case .null: sqlite3_bind_null(handle, index)
                case .integer(let integer): sqlite3_bind_int64(handle, index, integer)
                case .text(let text): bind(text, at: index)
                case .blob(let bytes):
                    bytes.withUnsafeBytes {
                        permafrost_sqlite3_bind_blob_copy(handle, index, $0.baseAddress, Int32($0.count))
                    }
                }
            guard code == SQLITE_OK else { return code }
            index += 1
        }
        return SQLITE_OK
    }

    private func bind(_ text: String, at index: Int32) -> Int32 {
        var text = text
        return text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters in
                // An empty buffer may have no address, and SQLite takes that for NULL.
                guard let address = characters.baseAddress else {
                    return permafrost_sqlite3_bind_text_copy(handle, index, "", 0)
                }
                return permafrost_sqlite3_bind_text_copy(handle, index, address, Int32(characters.count))
            }
        }
    }
}

/// The row a statement stands on. Valid only inside the closure that was given it.
struct SQLRow {
    fileprivate let handle: OpaquePointer

    init(of statement: Statement) {
        self.handle = statement.handle
    }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    /// A number to count with: beyond 2⁴⁸, which nothing here reaches, it is cut off, so that sums of what was read from a
    /// damaged page do not overflow.
    func int(_ column: Int32) -> Int { min(max(Int(integer(column)), -1 << 48), 1 << 48) }

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

    /// Nil for NULL.
    func text(_ column: Int32) -> String? {
        guard !isNull(column), let text = sqlite3_column_text(handle, column) else { return nil }
        let length = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: text, count: length), as: UTF8.self)
    }

    /// Empty for NULL.
    func blob(_ column: Int32) -> [UInt8] {
        guard let bytes = sqlite3_column_blob(handle, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(handle, column))))
    }
}
