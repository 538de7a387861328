/// What is in the file of a state, and who made it.
extension SQLiteFile {
    /// "CMVS", SQLite's `application_id`.
    private static var application: Int64 { 0x434D_5653 }
    /// SQLite's `user_version`.
    private static var version: Int64 { 1 }

    private static var tables: [String] {
        [
            """
            CREATE TABLE machine (
                name TEXT NOT NULL PRIMARY KEY,
                attestationKeyName BLOB NOT NULL UNIQUE,
                endorsementKeyName BLOB NOT NULL,
                enrolledAt INTEGER NOT NULL
            ) STRICT
            """,
            """
            CREATE TABLE nonce (
                value BLOB NOT NULL PRIMARY KEY,
                machine TEXT NOT NULL REFERENCES machine ON DELETE CASCADE,
                expiresAt INTEGER NOT NULL,
                usedAt INTEGER
            ) STRICT
            """,
            """
            CREATE TABLE judgement (
                id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
                machine TEXT NOT NULL REFERENCES machine ON DELETE CASCADE,
                judgedAt INTEGER NOT NULL,
                codes TEXT NOT NULL,
                system TEXT,
                systemVersion INTEGER,
                resetCount INTEGER,
                restartCount INTEGER,
                clock INTEGER
            ) STRICT
            """,
            "CREATE INDEX judgementOfMachine ON judgement (machine, id)",
        ]
    }

    /// Makes the tables of an empty file, and refuses one that another program made.
    ///
    /// - Throws: `.unusable`.
    func prepareState() throws(VerifierStateError) {
        try transaction { () throws(VerifierStateError) in
            let found = try number("PRAGMA user_version")
            let application = try number("PRAGMA application_id")
            if found == 0, try number("SELECT count(*) FROM sqlite_schema") == 0 {
                for table in SQLiteFile.tables { _ = try run(table) }
                _ = try run("PRAGMA application_id = \(SQLiteFile.application)")
                _ = try run("PRAGMA user_version = \(SQLiteFile.version)")
                return
            }
            guard application == SQLiteFile.application else {
                throw .unusable("it is another program's file")
            }
            guard found == SQLiteFile.version else {
                throw .unusable("a later version of this program made it")
            }
        }
    }

    private func number(_ sql: String) throws(VerifierStateError) -> Int64? {
        try run(sql).first?.first?.integer
    }
}
