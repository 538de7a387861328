public import Digests
internal import EventLog
internal import TPMStructures

/// Marks a log of which only the form is known.
public enum Unverified {}
/// Marks a log whose every digest is that of its data and whose replay gave the quoted registers.
public enum Replayed {}

/// One event of a log.
public struct EventLogEntry: Equatable, Sendable {
    /// The register.
    public let pcr: UInt32
    /// The event's type, such as `EV_EVENT_TAG`.
    public let eventType: UInt32
    /// The digest of the SHA-1 bank, if the log has it.
    public let sha1: Digest160?
    /// The digest of the SHA-256 bank, if the log has it.
    public let sha256: Digest256?
    /// The digest of the SHA-384 bank, if the log has it.
    public let sha384: Digest384?
    /// The event data.
    public let data: [UInt8]
}

/// A machine's event log, with what is known of its truth in its type: only a replayed log can be
/// compared with reference values.
public struct EventLog<Trust>: Sendable {
    /// The events in order.
    public let entries: [EventLogEntry]
    /// The bank that was replayed.
    let bank: QuotedBank
    /// What the registers of that bank hold after the events; nothing before the replay.
    let values: [UInt32: [UInt8]]

    private init(
        entries: [EventLogEntry], bank: QuotedBank = .sha256, values: [UInt32: [UInt8]] = [:]
    ) {
        self.entries = entries
        self.bank = bank
        self.values = values
    }
}

/// The bank that a quote is over: of a TPM 2.0 SHA-256, of a TPM 1.2 its only one.
enum QuotedBank: Equatable {
    case sha1
    case sha256

    /// The digest that an entry has for it.
    func digest(of entry: EventLogEntry) -> [UInt8]? {
        switch self {
        case .sha1: entry.sha1?.array
        case .sha256: entry.sha256?.array
        }
    }

    /// What a register holds when the machine starts.
    var start: [UInt8] { [UInt8](repeating: 0, count: self == .sha1 ? 20 : 32) }

    /// What a register holds after an extension.
    func extended(_ value: [UInt8], by digest: [UInt8]) -> [UInt8] { hash(value + digest) }

    /// What a quote says of registers with these values, in their order.
    func quoted(_ registers: [UInt32], _ values: [UInt8]) -> [UInt8] {
        switch self {
        case .sha1: hash(OnePointTwoQuote.composite(registers: registers, values: values))
        case .sha256: hash(values)
        }
    }

    private func hash(_ bytes: [UInt8]) -> [UInt8] {
        switch self {
        case .sha1: SHA1.hash(bytes.span).array
        case .sha256: SHA256.hash(bytes.span).array
        }
    }
}

extension EventLog where Trust == Unverified {
    /// Reads a crypto-agile log.
    ///
    /// - Throws: `.eventLogMalformed` if its structure is not whole.
    public init(validating bytes: [UInt8]) throws(Refusal) {
        do throws(EventLogError) {
            let view = try EventLogView(validating: bytes.span)
            var cursor = view.records
            var entries: [EventLogEntry] = []
            while let record = cursor.next() {
                let data = record.data
                entries.append(
                    EventLogEntry(
                        pcr: record.pcr.rawValue, eventType: record.eventType, sha1: record.sha1,
                        sha256: record.sha256, sha384: record.sha384,
                        data: data.indices.map { data[$0] }))
            }
            self.init(entries: entries)
        } catch {
            throw .eventLogMalformed("\(error)")
        }
    }

    /// Checks every event and replays one bank.
    ///
    /// - Parameters:
    ///   - pcrDigest: what the quote says of the registers.
    ///   - registers: those that it is over, rising.
    ///   - bank: the bank that it is over.
    /// - Returns: the same events, now known to be what the TPM extended, in each register's
    ///   order.
    /// - Throws: `.eventOutsidePlan` for an event of another register, or of a type that its
    ///   register does not take; `.eventDigestMissing` without this bank;
    ///   `.eventDigestMismatch` if a digest of an event of ours is not that of its data, or an
    ///   event that extends nothing has one; `.replayMismatch` if the registers come out otherwise.
    func replay(
        against pcrDigest: [UInt8], registers: [UInt32], bank: QuotedBank = .sha256
    ) throws(Refusal) -> EventLog<Replayed> {
        var values: [UInt32: [UInt8]] = [:]
        for register in registers { values[register] = bank.start }
        for (index, entry) in entries.enumerated() {
            guard let value = values[entry.pcr] else { throw .eventOutsidePlan(index: index) }
            if QuotePlan.ours.contains(entry.pcr) {
                try checkDigests(of: entry, index: index)
            } else if entry.eventType == eventTypeNoAction {
                let locality = try startLocality(saidBy: entry, index: index)
                if let locality, value == bank.start {
                    values[entry.pcr] = bank.start.dropLast() + [locality]
                }
                continue
            }
            guard let digest = bank.digest(of: entry) else {
                throw .eventDigestMissing(index: index)
            }
            values[entry.pcr] = bank.extended(value, by: digest)
        }
        let all = registers.flatMap { values[$0] ?? [] }
        guard bank.quoted(registers, all) == pcrDigest else { throw .replayMismatch }
        return EventLog<Replayed>(entries: entries, bank: bank, values: values)
    }
}

/// Checks an event of the firmware that extends nothing, and returns the locality from which it
/// says that the TPM was started: the last byte of the value that PCR 0 has then.
///
/// - Source: TCG PC Client Platform Firmware Profile 1.05, 10.4.5.3
///   (`TCG_EfiStartupLocalityEvent`).
private func startLocality(
    saidBy entry: EventLogEntry, index: Int
) throws(Refusal) -> UInt8? {
    guard entry.pcr < 8 else { throw .eventOutsidePlan(index: index) }
    guard entry.sha1 ?? .zero == .zero, entry.sha256 ?? .zero == .zero,
        entry.sha384 ?? .zero == .zero
    else { throw .eventDigestMismatch(index: index) }
    let signature = Array("StartupLocality".utf8) + [0]
    guard entry.pcr == 0, entry.data.starts(with: signature), entry.data.count == 17 else {
        return nil
    }
    return entry.data[16]
}

/// Checks that an entry is ours and that all its digests are those of its data.
private func checkDigests(of entry: EventLogEntry, index: Int) throws(Refusal) {
    guard entry.eventType == eventTypeTag else { throw .eventOutsidePlan(index: index) }
    let digests = EventDigests(of: entry.data.span)
    guard entry.sha1 == nil || entry.sha1 == digests.sha1,
        entry.sha256 == nil || entry.sha256 == digests.sha256,
        entry.sha384 == nil || entry.sha384 == digests.sha384
    else { throw .eventDigestMismatch(index: index) }
}
