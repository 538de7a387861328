internal import Digests

/// The TCG's crypto-agile event log, written and read without a heap.
///
/// For: the hypervisor, which writes its own measurements, and a verifier, which reads them. Not
/// for: deciding whether a log is true; only a quote can tell, and `Appraisal` compares them.
/// Trusts nothing that it reads. Invariants: a reader never reads outside the bytes given and
/// never traps; a writer never writes a partial event below `count`.

/// Why a log could not be written or read.
public enum EventLogError: Error, Equatable {
    /// The buffer cannot hold the event; the log is unchanged.
    case bufferFull
    /// A structure goes past the end of the log.
    case truncated
    /// The log is longer than `EventLogLimits.byteCount`.
    case logTooLong
    /// The log does not open with a `Spec ID Event03` header exactly as this version writes it.
    case headerMalformed
    /// The header names no algorithm, one twice, one out of order, or one that we do not know.
    case algorithmsMalformed
    /// A record's register is above 23.
    case registerOutOfRange
    /// A record does not carry exactly one digest for each algorithm of the header, in its order.
    case digestsMalformed

    /// A short reason for the console, ASCII.
    public var reason: StaticString {
        switch self {
        case .bufferFull: "event log: buffer full"
        case .truncated: "event log: truncated"
        case .logTooLong: "event log: too long"
        case .headerMalformed: "event log: header malformed"
        case .algorithmsMalformed: "event log: algorithms malformed"
        case .registerOutOfRange: "event log: register out of range"
        case .digestsMalformed: "event log: digests malformed"
        }
    }
}

/// The limits of a log that we write or read.
public enum EventLogLimits {
    /// The longest log.
    /// - Units: bytes.
    public static var byteCount: Int { 1 << 20 }
}

/// `EV_NO_ACTION` (TCG PC Client Platform Firmware Profile, section 10.4.1).
public let eventTypeNoAction: UInt32 = 3
/// `EV_EVENT_TAG` (TCG PC Client Platform Firmware Profile, section 10.4.1).
public let eventTypeTag: UInt32 = 6

/// An event that stands complete in the buffer, behind the end of the log: extend the TPM with
/// its digests, then commit it.
public struct PreparedEvent: Equatable, Sendable {
    /// The register to extend.
    public let pcr: PCRIndex
    /// What to extend it with.
    public let digests: EventDigests
    fileprivate let end: Int
}

/// The state of a log that grows in a buffer which the caller owns and hands in each time.
///
/// - Invariant: *(whole)* the first `count` bytes of the buffer are a valid log.
public struct EventLogWriter: ~Copyable {
    /// The banks whose digests each record carries.
    public let banks: PCRBanks

    /// Returns the length of the log.
    /// - Units: bytes.
    public private(set) var count: Int

    /// Starts a log for `banks` at the start of `buffer`: writes the header.
    ///
    /// - Layout: `TCG_PCClientPCREvent` with `TCG_EfiSpecIdEvent` (TCG PC Client Platform
    ///   Firmware Profile, section 10.4.5.1).
    /// - Throws: `.bufferFull` if the header does not fit; `.algorithmsMalformed` without banks.
    public init(
        banks: PCRBanks, in buffer: consuming MutableSpan<UInt8>
    ) throws(EventLogError) {
        guard banks.count > 0 else { throw .algorithmsMalformed }
        var sink = BufferSink(buffer)
        encodeHeader(of: banks, into: &sink)
        guard !sink.overflowed else { throw .bufferFull }
        self.banks = banks
        count = sink.count
    }

    /// Writes an event behind the end of the log, where no reader sees it yet.
    ///
    /// - Throws: `.bufferFull` if it does not fit. The log is unchanged in either case.
    public func prepare<Event: Measurement & ~Copyable & ~Escapable>(
        _ event: borrowing Event, in buffer: consuming MutableSpan<UInt8>
    ) throws(EventLogError) -> PreparedEvent {
        let dataStart = count + 12 + banks.digestListByteCount + 4
        var sink = BufferSink(buffer, from: dataStart)
        event.encodeEventData(into: &sink)
        guard !sink.overflowed else { throw .bufferFull }
        let byteCount = sink.count
        let end = dataStart + byteCount
        guard end <= EventLogLimits.byteCount else { throw .bufferFull }
        let digests = EventDigests(of: sink.written)
        sink.restart(at: count)
        sink.append(littleEndian: event.pcr.rawValue)
        sink.append(littleEndian: eventTypeTag)
        sink.append(littleEndian: UInt32(truncatingIfNeeded: banks.count))
        encodeDigests(digests, of: banks, into: &sink)
        sink.append(littleEndian: UInt32(truncatingIfNeeded: byteCount))
        return PreparedEvent(pcr: event.pcr, digests: digests, end: end)
    }

    /// Makes the event that was prepared last part of the log.
    public mutating func commit(_ event: PreparedEvent) {
        // INVARIANT (whole): `prepare` wrote all bytes from `count` to `event.end`.
        count = event.end
    }

    /// Makes whole records that stand behind the end of the log part of it.
    mutating func grow(by byteCount: Int) { count += byteCount }
}

/// Appends the header record of a log with `banks`.
private func encodeHeader(of banks: PCRBanks, into sink: inout BufferSink) {
    sink.append(littleEndian: UInt32(0))
    sink.append(littleEndian: eventTypeNoAction)
    for _ in 0..<20 { sink.append(0) }
    sink.append(littleEndian: UInt32(truncatingIfNeeded: 29 + 4 * banks.count))
    for index in specIDEvent03.indices { sink.append(specIDEvent03[index]) }
    sink.append(littleEndian: UInt32(0))  // platformClass: client
    sink.append(0)  // specVersionMinor
    sink.append(2)  // specVersionMajor
    sink.append(0)  // specErrata
    sink.append(2)  // uintnSize: UINT64
    sink.append(littleEndian: UInt32(truncatingIfNeeded: banks.count))
    if banks.sha1 { encodeAlgorithm(tpmAlgorithmSHA1, 20, into: &sink) }
    if banks.sha256 { encodeAlgorithm(tpmAlgorithmSHA256, 32, into: &sink) }
    if banks.sha384 { encodeAlgorithm(tpmAlgorithmSHA384, 48, into: &sink) }
    sink.append(0)  // vendorInfoSize
}

/// Appends one `TCG_EfiSpecIdEventAlgorithmSize`.
private func encodeAlgorithm(_ algorithm: UInt16, _ size: UInt16, into sink: inout BufferSink) {
    sink.append(littleEndian: algorithm)
    sink.append(littleEndian: size)
}

/// Appends the `TPMT_HA` structures of the active banks.
private func encodeDigests(
    _ digests: EventDigests, of banks: PCRBanks, into sink: inout BufferSink
) {
    if banks.sha1 {
        sink.append(littleEndian: tpmAlgorithmSHA1)
        sink.append(digests.sha1.bytes)
    }
    if banks.sha256 {
        sink.append(littleEndian: tpmAlgorithmSHA256)
        sink.append(digests.sha256.bytes)
    }
    if banks.sha384 {
        sink.append(littleEndian: tpmAlgorithmSHA384)
        sink.append(digests.sha384.bytes)
    }
}

/// The signature of a crypto-agile log: `Spec ID Event03` and a NUL.
internal let specIDEvent03: InlineArray<16, UInt8> = [
    0x53, 0x70, 0x65, 0x63, 0x20, 0x49, 0x44, 0x20, 0x45, 0x76, 0x65, 0x6e, 0x74, 0x30, 0x33, 0,
]
