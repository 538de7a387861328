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

    private init(entries: [EventLogEntry]) {
        self.entries = entries
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
    /// - Parameter pcrDigest: what the quote says: SHA-256 over the values of PCR 12 and 13.
    /// - Returns: the same events, now known to be what the TPM extended, in each register's
    ///   order.
    /// - Throws: `.eventOutsidePlan` for another register or type than ours;
    ///   `.eventDigestMissing` without a SHA-256 bank; `.eventDigestMismatch` if a digest is not
    ///   that of the data; `.replayMismatch` if the registers come out otherwise.
    public func replay(against pcrDigest: [UInt8]) throws(Refusal) -> EventLog<Replayed> {
        var policy = Digest256.zero
        var compartments = Digest256.zero
        for (index, entry) in entries.enumerated() {
            let digest = try checkedDigest(of: entry, index: index)
            switch entry.pcr {
            case PCRIndex.policy.rawValue: policy = extended(policy, by: digest)
            case PCRIndex.compartments.rawValue: compartments = extended(compartments, by: digest)
            default: throw .eventOutsidePlan(index: index)
            }
        }
        let values = policy.array + compartments.array
        guard SHA256.hash(values.span).array == pcrDigest else { throw .replayMismatch }
        return EventLog<Replayed>(entries: entries)
    }
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
