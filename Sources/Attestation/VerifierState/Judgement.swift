public import FoundationEssentials

/// What a machine's TPM counted when it was accepted.
public struct MachineTime: Equatable, Sendable {
    /// How often the TPM was reset.
    public let resetCount: UInt32
    /// How often it was restarted since.
    public let restartCount: UInt32
    /// Its clock.
    /// - Units: milliseconds.
    public let clock: UInt64

    /// States the three.
    public init(resetCount: UInt32, restartCount: UInt32, clock: UInt64) {
        self.resetCount = resetCount
        self.restartCount = restartCount
        self.clock = clock
    }
}

/// An answer about a machine.
public struct Judgement: Equatable, Sendable {
    /// The outcome.
    public enum Outcome: Equatable, Sendable {
        /// The machine ran this system, in this version, at this time of its TPM; `nil`: a TPM 1.2,
        /// whose quotes tell none.
        case accepted(system: String, version: UInt64, time: MachineTime?)
        /// The codes of the reasons, the gravest first.
        case refused([String])
    }

    /// The machine's name.
    public let machine: String
    /// When it was judged.
    public let judgedAt: Date
    /// The outcome.
    public let outcome: Outcome
}

/// How a machine's acceptance follows on the one before.
public enum Continuity: Equatable, Sendable {
    /// There is none before.
    case first
    /// It is the same boot as at the acceptance before, which was then.
    case sameBoot(since: Date)
    /// The machine was started again, this often since the acceptance before.
    case rebooted(times: UInt32, since: Date)
    /// The TPM tells no time: it may be the same boot or another one.
    case untold(since: Date)
}

extension VerifierState {
    /// Records that a machine is accepted, if its TPM's time goes on from the last acceptance.
    ///
    /// - Parameter time: `nil`: a TPM 1.2, whose quotes tell none.
    /// - Throws: `.resetCountWentBack`, `.restartCountWentBack`, `.clockWentBack`, `.timeMissing`
    ///   if the machine's TPM told its time before, and records the refusal; `.machineUnknown`;
    ///   `.unusable`.
    public func accept(
        _ name: String, system: String, version: UInt64, time: MachineTime?, at now: Date
    ) throws(VerifierStateError) -> Continuity {
        let verdict = try file.transaction {
            () throws(VerifierStateError) -> Result<Continuity, VerifierStateError> in
            _ = try machine(name)
            let verdict = continuity(of: time, after: try lastAcceptance(of: name))
            var codes = ""
            if case .failure(let error) = verdict { codes = error.code }
            try insert(
                name, codes, at: now,
                [
                    .text(system), .integer(Int64(bitPattern: version)),
                    time.map { .integer(Int64($0.resetCount)) } ?? .null,
                    time.map { .integer(Int64($0.restartCount)) } ?? .null,
                    time.map { .integer(Int64(bitPattern: $0.clock)) } ?? .null,
                ])
            return verdict
        }
        return try verdict.get()
    }

    /// Records that a machine is refused.
    ///
    /// - Parameter codes: the reasons, at least one.
    /// - Throws: `.machineUnknown`; `.unusable`.
    public func refuse(
        _ name: String, codes: [String], at now: Date
    ) throws(VerifierStateError) {
        try file.transaction { () throws(VerifierStateError) in
            _ = try machine(name)
            try insert(
                name, codes.joined(separator: " "), at: now, [.null, .null, .null, .null, .null])
        }
    }

    /// Returns the newest answers about a machine, at most `limit`, the newest first.
    ///
    /// - Throws: `.machineUnknown`; `.unusable`.
    public func judgements(
        of name: String, limit: Int
    ) throws(VerifierStateError) -> [Judgement] {
        _ = try machine(name)
        return try file.run(
            "SELECT * FROM judgement WHERE machine = ? ORDER BY id DESC LIMIT ?",
            [.text(name), .integer(Int64(limit))]
        ).map(judgement)
    }

    private func insert(
        _ machine: String, _ codes: String, at now: Date, _ rest: [SQLValue]
    ) throws(VerifierStateError) {
        _ = try file.run(
            "INSERT INTO judgement VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
            [.text(machine), .integer(seconds(now)), .text(codes)] + rest)
    }

    /// The last acceptance of a machine.
    private func lastAcceptance(of name: String) throws(VerifierStateError) -> [SQLValue]? {
        try file.run(
            """
            SELECT * FROM judgement WHERE machine = ? AND codes = '' ORDER BY id DESC LIMIT 1
            """, [.text(name)]
        ).first
    }
}

/// The columns of the table `judgement`.
private enum Place {
    static var machine: Int { 1 }
    static var judgedAt: Int { 2 }
    static var codes: Int { 3 }
    static var system: Int { 4 }
    static var version: Int { 5 }
    static var resetCount: Int { 6 }
    static var restartCount: Int { 7 }
    static var clock: Int { 8 }
}

/// The TPM's time in a row of the table `judgement`.
private func machineTime(_ row: [SQLValue]) -> MachineTime? {
    guard let reset = row[Place.resetCount].integer, let restart = row[Place.restartCount].integer,
        let clock = row[Place.clock].integer
    else { return nil }
    return MachineTime(
        resetCount: UInt32(truncatingIfNeeded: reset),
        restartCount: UInt32(truncatingIfNeeded: restart), clock: UInt64(bitPattern: clock))
}

private func judgement(_ row: [SQLValue]) -> Judgement {
    let codes = row[Place.codes].text
    var outcome = Judgement.Outcome.refused(codes.split(separator: " ").map(String.init))
    if codes.isEmpty {
        outcome = .accepted(
            system: row[Place.system].text,
            version: UInt64(bitPattern: row[Place.version].integer ?? 0), time: machineTime(row))
    }
    return Judgement(
        machine: row[Place.machine].text, judgedAt: date(row[Place.judgedAt].integer ?? 0),
        outcome: outcome)
}

/// Judges how a TPM's time goes on.
///
/// - Source: TPM 2.0 Library, Part 1, section 36 (clock, reset and restart counters): the reset
///   counter rises with each reset, the restart counter with each resumption between two resets;
///   within one run the clock only rises.
private func continuity(
    of time: MachineTime?, after last: [SQLValue]?
) -> Result<Continuity, VerifierStateError> {
    guard let last else { return .success(.first) }
    let since = date(last[Place.judgedAt].integer ?? 0)
    guard let before = machineTime(last) else { return .success(.untold(since: since)) }
    guard let time else { return .failure(.timeMissing) }
    guard time.resetCount >= before.resetCount else {
        return .failure(.resetCountWentBack(from: before.resetCount, to: time.resetCount))
    }
    guard time.resetCount == before.resetCount else {
        return .success(.rebooted(times: time.resetCount - before.resetCount, since: since))
    }
    guard time.restartCount >= before.restartCount else {
        return .failure(.restartCountWentBack(from: before.restartCount, to: time.restartCount))
    }
    guard time.restartCount > before.restartCount || time.clock >= before.clock else {
        return .failure(.clockWentBack(from: before.clock, to: time.clock))
    }
    return .success(.sameBoot(since: since))
}
