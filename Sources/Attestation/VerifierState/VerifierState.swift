public import FoundationEssentials

/// A machine that is enrolled.
public struct EnrolledMachine: Equatable, Sendable {
    /// The name that the verifier gave it.
    public let name: String
    /// The name of its attestation key (`TPM2B_NAME`'s content).
    public let attestationKeyName: [UInt8]
    /// The name of the endorsement key whose TPM holds it.
    public let endorsementKeyName: [UInt8]
    /// When it was enrolled.
    public let enrolledAt: Date
}

/// A verifier's state in one SQLite file, which only its owner can read.
public final class VerifierState {
    let file: SQLiteFile

    /// Opens the state, or makes a new one.
    ///
    /// - Throws: `.unusable`.
    public init(path: String) throws(VerifierStateError) {
        let manager = FileManager.default
        if !manager.fileExists(atPath: path) {
            _ = manager.createFile(
                atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
        }
        file = try SQLiteFile(path: path)
        try file.prepareState()
    }

    /// Enrols a machine.
    ///
    /// - Throws: `.nameUnfit`, `.machineExists`, `.keyExists`; `.unusable`.
    public func enrol(
        _ name: String, attestationKeyName: [UInt8], endorsementKeyName: [UInt8], at now: Date
    ) throws(VerifierStateError) {
        guard (1...63).contains(name.utf8.count),
            name.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
        else { throw .nameUnfit }
        try file.transaction { () throws(VerifierStateError) in
            guard try find(name) == nil else { throw .machineExists(name) }
            let holder = try file.run(
                "SELECT name FROM machine WHERE attestationKeyName = ?",
                [.blob(attestationKeyName)])
            if let holder = holder.first { throw .keyExists(machine: holder[0].text) }
            _ = try file.run(
                "INSERT INTO machine VALUES (?, ?, ?, ?)",
                [
                    .text(name), .blob(attestationKeyName), .blob(endorsementKeyName),
                    .integer(seconds(now)),
                ])
        }
    }

    /// Forgets a machine, its nonces and the answers about it.
    ///
    /// - Throws: `.machineUnknown`; `.unusable`.
    public func forget(_ name: String) throws(VerifierStateError) {
        try file.transaction { () throws(VerifierStateError) in
            _ = try machine(name)
            _ = try file.run("DELETE FROM machine WHERE name = ?", [.text(name)])
        }
    }

    /// Returns the enrolled machines by name.
    ///
    /// - Throws: `.unusable`.
    public func machines() throws(VerifierStateError) -> [EnrolledMachine] {
        try file.run("SELECT * FROM machine ORDER BY name").map(enrolledMachine)
    }

    /// Returns one machine.
    ///
    /// - Throws: `.machineUnknown`; `.unusable`.
    public func machine(_ name: String) throws(VerifierStateError) -> EnrolledMachine {
        guard let found = try find(name) else { throw .machineUnknown(name) }
        return found
    }

    /// Gives out a nonce of 20 random bytes for one machine: what a TPM of either family takes.
    ///
    /// - Parameter lifetime: in seconds, 1 to 86,400.
    /// - Throws: `.machineUnknown`; `.unusable`.
    /// - Precondition: `lifetime` is in its range.
    public func issueNonce(
        for name: String, lifetime: Int, at now: Date
    ) throws(VerifierStateError) -> [UInt8] {
        precondition((1...86_400).contains(lifetime), "a nonce lives for a second to a day")
        let value = (0..<20).map { _ in UInt8.random(in: 0...255) }
        try file.transaction { () throws(VerifierStateError) in
            _ = try machine(name)
            _ = try file.run(
                "INSERT INTO nonce VALUES (?, ?, ?, NULL)",
                [.blob(value), .text(name), .integer(seconds(now) + Int64(lifetime))])
        }
        return value
    }

    /// Uses a nonce up, whatever comes of it.
    ///
    /// - Throws: `.machineUnknown`; `.nonceUnknown`, `.nonceUsed`, `.nonceExpired`; `.unusable`.
    public func redeem(
        _ nonce: [UInt8], for name: String, at now: Date
    ) throws(VerifierStateError) {
        try file.transaction { () throws(VerifierStateError) in
            _ = try machine(name)
            let rows = try file.run(
                "SELECT expiresAt, usedAt FROM nonce WHERE value = ? AND machine = ?",
                [.blob(nonce), .text(name)])
            guard let row = rows.first, let expiresAt = row[0].integer else {
                throw .nonceUnknown
            }
            guard row[1] == .null else { throw .nonceUsed }
            guard seconds(now) <= expiresAt else { throw .nonceExpired }
            _ = try file.run(
                "UPDATE nonce SET usedAt = ? WHERE value = ?",
                [.integer(seconds(now)), .blob(nonce)])
        }
    }

    private func find(_ name: String) throws(VerifierStateError) -> EnrolledMachine? {
        try file.run("SELECT * FROM machine WHERE name = ?", [.text(name)]).first.map(
            enrolledMachine)
    }
}

/// A row of the table `machine`.
private func enrolledMachine(_ row: [SQLValue]) -> EnrolledMachine {
    EnrolledMachine(
        name: row[0].text, attestationKeyName: row[1].blob, endorsementKeyName: row[2].blob,
        enrolledAt: date(row[3].integer ?? 0))
}

/// What whole seconds since 1970 say.
func date(_ seconds: Int64) -> Date {
    Date(timeIntervalSince1970: TimeInterval(seconds))
}

/// Whole seconds since 1970.
func seconds(_ date: Date) -> Int64 {
    Int64(date.timeIntervalSince1970.rounded(.down))
}
