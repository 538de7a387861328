public import Digests
internal import EventLog

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
    /// What the registers of the SHA-256 bank hold after the events; nothing before the replay.
    let values: [UInt32: Digest256]

    private init(entries: [EventLogEntry], values: [UInt32: Digest256] = [:]) {
        self.entries = entries
        self.values = values
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

    /// Checks every event and replays the SHA-256 bank.
    ///
    /// - Parameters:
    ///   - pcrDigest: what the quote says: SHA-256 over the values of the registers.
    ///   - registers: those that it is over, rising.
    /// - Returns: the same events, now known to be what the TPM extended, in each register's
    ///   order.
    /// - Throws: `.eventOutsidePlan` for an event of another register, or of a type that its
    ///   register does not take; `.eventDigestMissing` without a SHA-256 bank;
    ///   `.eventDigestMismatch` if a digest of an event of ours is not that of its data, or an
    ///   event that extends nothing has one; `.replayMismatch` if the registers come out otherwise.
    public func replay(
        against pcrDigest: [UInt8], registers: [UInt32]
    ) throws(Refusal) -> EventLog<Replayed> {
        var values: [UInt32: Digest256] = [:]
        for register in registers { values[register] = .zero }
        for (index, entry) in entries.enumerated() {
            guard let value = values[entry.pcr] else { throw .eventOutsidePlan(index: index) }
            if QuotePlan.ours.contains(entry.pcr) {
                values[entry.pcr] = extended(value, by: try checkedDigest(of: entry, index: index))
            } else if entry.eventType == eventTypeNoAction {
                let start = try startValue(saidBy: entry, index: index)
                if let start, value == .zero { values[entry.pcr] = start }
            } else {
                guard let digest = entry.sha256 else { throw .eventDigestMissing(index: index) }
                values[entry.pcr] = extended(value, by: digest)
            }
        }
        let all = registers.flatMap { values[$0]?.array ?? [] }
        guard SHA256.hash(all.span).array == pcrDigest else { throw .replayMismatch }
        return EventLog<Replayed>(entries: entries, values: values)
    }
}

/// Checks an event of the firmware that extends nothing, and returns what it says about the value
/// that PCR 0 has at the start: the locality from which the TPM was started.
///
/// - Source: TCG PC Client Platform Firmware Profile 1.05, 10.4.5.3
///   (`TCG_EfiStartupLocalityEvent`).
private func startValue(
    saidBy entry: EventLogEntry, index: Int
) throws(Refusal) -> Digest256? {
    guard entry.pcr < 8 else { throw .eventOutsidePlan(index: index) }
    guard entry.sha1 ?? .zero == .zero, entry.sha256 ?? .zero == .zero,
        entry.sha384 ?? .zero == .zero
    else { throw .eventDigestMismatch(index: index) }
    let signature = Array("StartupLocality".utf8) + [0]
    guard entry.pcr == 0, entry.data.starts(with: signature), entry.data.count == 17 else {
        return nil
    }
    let value = [UInt8](repeating: 0, count: 31) + [entry.data[16]]
    return Digest256(value.span)
}

/// Checks that an entry is ours and that all its digests are those of its data; returns the one
/// of the quoted bank.
private func checkedDigest(of entry: EventLogEntry, index: Int) throws(Refusal) -> Digest256 {
    guard entry.eventType == eventTypeTag else { throw .eventOutsidePlan(index: index) }
    let digests = EventDigests(of: entry.data.span)
    guard entry.sha1 == nil || entry.sha1 == digests.sha1,
        entry.sha256 == nil || entry.sha256 == digests.sha256,
        entry.sha384 == nil || entry.sha384 == digests.sha384
    else { throw .eventDigestMismatch(index: index) }
    guard let sha256 = entry.sha256 else { throw .eventDigestMissing(index: index) }
    return sha256
}

/// Returns what a register of the SHA-256 bank holds after an extension.
private func extended(_ value: Digest256, by digest: Digest256) -> Digest256 {
    var state = SHA256()
    state.update(value.bytes)
    state.update(digest.bytes)
    return state.finalize()
}
