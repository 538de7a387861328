// C binding: SQLite.
internal import CSQLite

/// A value in a column.
enum SQLValue: Equatable {
    /// `NULL`.
    case null
    /// `INTEGER`.
    case integer(Int64)
    /// `TEXT`.
    case text(String)
    /// `BLOB`.
    case blob([UInt8])

    /// The number, if it is one.
    var integer: Int64? {
        if case .integer(let number) = self { return number }
        return nil
    }

    /// The text; of another value none.
    var text: String {
        if case .text(let text) = self { return text }
        return ""
    }

    /// The bytes; of another value none.
    var blob: [UInt8] {
        if case .blob(let bytes) = self { return bytes }
        return []
    }
}

/// One connection to a SQLite file; calls on it are serial.
@safe final class SQLiteFile {
    private var handle: OpaquePointer?

    /// Opens a file that is there.
    ///
    /// - Throws: `.unusable`.
    init(path: String) throws(VerifierStateError) {
        unsafe handle = nil
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE
        let code = unsafe sqlite3_open_v2(path, &handle, flags, nil)
        guard code == SQLITE_OK else { throw failure() }
        // Another program may be in a transaction of its own.
        _ = unsafe sqlite3_busy_timeout(handle, 10_000)
        _ = try run("PRAGMA foreign_keys = ON")
    }

    deinit {
        // SAFETY: `run` finalised every statement; a handle of a failed opening is closed too.
        _ = unsafe sqlite3_close_v2(handle)
    }

    /// Runs one statement to its end.
    ///
    /// - Parameter values: for its question marks, in their order.
    /// - Returns: its rows.
    /// - Throws: `.unusable` with what SQLite says.
    func run(_ sql: String, _ values: [SQLValue] = []) throws(VerifierStateError) -> [[SQLValue]] {
        var statement: OpaquePointer?
        // SAFETY: SQLite copies the text; the statement is finalised below.
        let prepared = unsafe sqlite3_prepare_v2(handle, sql, -1, &statement, nil)
        defer { _ = unsafe sqlite3_finalize(statement) }
        guard prepared == SQLITE_OK else { throw failure() }
        for (index, value) in values.enumerated() {
            guard unsafe bind(value, statement, Int32(index + 1)) == SQLITE_OK else {
                throw failure()
            }
        }
        var rows: [[SQLValue]] = []
        while true {
            switch unsafe sqlite3_step(statement) {
            case SQLITE_ROW:
                let count = unsafe sqlite3_column_count(statement)
                rows.append((0..<count).map { unsafe column($0, of: statement) })
            case SQLITE_DONE: return rows
            default: throw failure()
            }
        }
    }

    /// Does something whole or not at all, beside no other writer.
    ///
    /// - Throws: what `body` throws; nothing changed then. `.unusable`.
    func transaction<Value>(
        _ body: () throws(VerifierStateError) -> Value
    ) throws(VerifierStateError) -> Value {
        _ = try run("BEGIN IMMEDIATE")
        do throws(VerifierStateError) {
            let value = try body()
            _ = try run("COMMIT")
            return value
        } catch {
            _ = try? run("ROLLBACK")
            throw error
        }
    }

    @unsafe private func bind(
        _ value: SQLValue, _ statement: OpaquePointer?, _ place: Int32
    ) -> Int32 {
        // SAFETY: SQLite copies what is bound.
        switch value {
        case .null: return unsafe sqlite3_bind_null(statement, place)
        case .integer(let number): return unsafe sqlite3_bind_int64(statement, place, number)
        case .text(let text):
            return unsafe csqlite_bind_text(statement, place, text, Int32(text.utf8.count))
        case .blob(let bytes):
            return unsafe csqlite_bind_blob(statement, place, bytes, Int32(bytes.count))
        }
    }

    @unsafe private func column(_ index: Int32, of statement: OpaquePointer?) -> SQLValue {
        switch unsafe sqlite3_column_type(statement, index) {
        case SQLITE_INTEGER: return .integer(unsafe sqlite3_column_int64(statement, index))
        case SQLITE_TEXT, SQLITE_BLOB:
            let isText = unsafe sqlite3_column_type(statement, index) == SQLITE_TEXT
            // SAFETY: the bytes are copied before the statement steps on.
            let start = unsafe sqlite3_column_blob(statement, index)
            let count = unsafe sqlite3_column_bytes(statement, index)
            let bytes = unsafe Array(UnsafeRawBufferPointer(start: start, count: Int(count)))
            return isText ? .text(String(decoding: bytes, as: UTF8.self)) : .blob(bytes)
        default: return .null
        }
    }

    private func failure() -> VerifierStateError {
        // SAFETY: the text is copied before the next call on the handle.
        guard let text = unsafe sqlite3_errmsg(handle) else { return .unusable("out of memory") }
        return .unusable(unsafe String(cString: text))
    }
}
