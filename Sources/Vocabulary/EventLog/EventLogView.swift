public import Digests

/// A log whose structure was checked, over bytes that stay where they are.
///
/// - Trust: the structure is known to be whole. Nothing is known about truth: neither that the
///   digests are those of the data, nor that any TPM ever saw them.
public struct EventLogView: ~Escapable {
    private let bytes: Span<UInt8>

    /// The banks of the header.
    public let banks: PCRBanks

    /// The number of records behind the header.
    public let recordCount: Int
    private let firstRecord: Int

    /// Checks the structure of a whole log.
    ///
    /// - Throws: `EventLogError`, every case but `.bufferFull`, for the reason of its name.
    /// - Complexity: linear in the number of records.
    @_lifetime(copy bytes)
    public init(validating bytes: Span<UInt8>) throws(EventLogError) {
        guard bytes.count <= EventLogLimits.byteCount else { throw .logTooLong }
        var reader = LogReader(bytes)
        banks = try readHeader(&reader)
        firstRecord = reader.position
        var count = 0
        while !reader.isAtEnd {
            _ = try readRecord(&reader, banks)
            count += 1
        }
        recordCount = count
        self.bytes = bytes
    }

    /// Returns a cursor before the first record.
    public var records: EventLogCursor {
        @_lifetime(copy self) get { EventLogCursor(bytes, position: firstRecord, banks: banks) }
    }
}

/// Walks the records of a checked log.
public struct EventLogCursor: ~Escapable {
    private var reader: LogReader
    private let banks: PCRBanks

    @_lifetime(copy bytes)
    fileprivate init(_ bytes: Span<UInt8>, position: Int, banks: PCRBanks) {
        reader = LogReader(bytes, position: position)
        self.banks = banks
    }

    /// Returns the next record; `nil` behind the last.
    @_lifetime(copy self)
    public mutating func next() -> EventLogRecord? {
        guard !reader.isAtEnd, let record = try? readRecord(&reader, banks) else { return nil }
        return record
    }
}

/// One `TCG_PCR_EVENT2` (TCG PC Client Platform Firmware Profile, section 10.2.2).
public struct EventLogRecord: ~Escapable {
    /// The register.
    public let pcr: PCRIndex
    /// The event's type, such as `EV_EVENT_TAG`.
    public let eventType: UInt32
    /// The digest of the SHA-1 bank, if the header names it.
    public let sha1: Digest160?
    /// The digest of the SHA-256 bank, if the header names it.
    public let sha256: Digest256?
    /// The digest of the SHA-384 bank, if the header names it.
    public let sha384: Digest384?
    /// The event data.
    public let data: Span<UInt8>

    @_lifetime(copy data)
    fileprivate init(
        pcr: PCRIndex, eventType: UInt32, sha1: Digest160?, sha256: Digest256?,
        sha384: Digest384?, data: Span<UInt8>
    ) {
        self.pcr = pcr
        self.eventType = eventType
        self.sha1 = sha1
        self.sha256 = sha256
        self.sha384 = sha384
        self.data = data
    }
}

/// A cursor over untrusted bytes; every read is checked.
///
/// - Invariant: `0 <= position <= bytes.count`.
struct LogReader: ~Escapable {
    private let bytes: Span<UInt8>
    private(set) var position: Int

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>, position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    var isAtEnd: Bool { position == bytes.count }

    @_lifetime(copy self)
    @inline(never) mutating func take(_ count: Int) throws(EventLogError) -> Span<UInt8> {
        guard count >= 0, count <= bytes.count - position else { throw .truncated }
        let start = position
        position = start + count
        return bytes.extracting(start..<start + count)
    }

    @inline(never) mutating func number16() throws(EventLogError) -> UInt16 {
        let field = try take(2)
        return UInt16(field[0]) | UInt16(field[1]) << 8
    }

    @inline(never) mutating func number32() throws(EventLogError) -> UInt32 {
        let field = try take(4)
        return UInt32(field[0]) | UInt32(field[1]) << 8 | UInt32(field[2]) << 16
            | UInt32(field[3]) << 24
    }
}

/// Reads the header record and returns its banks.
private func readHeader(_ reader: inout LogReader) throws(EventLogError) -> PCRBanks {
    guard try reader.number32() == 0, try reader.number32() == eventTypeNoAction else {
        throw .headerMalformed
    }
    let digest = try reader.take(20)
    for index in digest.indices where digest[index] != 0 { throw .headerMalformed }
    let dataByteCount = Int(try reader.number32())
    let dataStart = reader.position
    let signature = try reader.take(16)
    for index in signature.indices where signature[index] != specIDEvent03[index] {
        throw .headerMalformed
    }
    guard try reader.number32() == 0 else { throw .headerMalformed }
    let version = try reader.take(4)
    guard version[0] == 0, version[1] == 2, version[2] == 0, version[3] == 2 else {
        throw .headerMalformed
    }
    let banks = try readAlgorithms(&reader)
    let vendorInformation = try reader.take(1)
    guard vendorInformation[0] == 0 else { throw .headerMalformed }
    guard reader.position - dataStart == dataByteCount else { throw .headerMalformed }
    return banks
}

/// Reads the header's algorithms: known ones, rising, at least one.
private func readAlgorithms(_ reader: inout LogReader) throws(EventLogError) -> PCRBanks {
    let count = try reader.number32()
    guard count >= 1, count <= 3 else { throw .algorithmsMalformed }
    var banks = PCRBanks(sha1: false, sha256: false, sha384: false)
    var last: UInt16 = 0
    for _ in 0..<count {
        let algorithm = try reader.number16()
        let byteCount = try reader.number16()
        guard algorithm > last else { throw .algorithmsMalformed }
        last = algorithm
        switch (algorithm, byteCount) {
        case (tpmAlgorithmSHA1, 20): banks.sha1 = true
        case (tpmAlgorithmSHA256, 32): banks.sha256 = true
        case (tpmAlgorithmSHA384, 48): banks.sha384 = true
        default: throw .algorithmsMalformed
        }
    }
    return banks
}

/// Reads one record.
@_lifetime(copy reader)
private func readRecord(
    _ reader: inout LogReader, _ banks: PCRBanks
) throws(EventLogError) -> EventLogRecord {
    guard let pcr = PCRIndex(rawValue: try reader.number32()) else { throw .registerOutOfRange }
    let eventType = try reader.number32()
    guard try reader.number32() == UInt32(truncatingIfNeeded: banks.count) else {
        throw .digestsMalformed
    }
    var sha1: Digest160?
    var sha256: Digest256?
    var sha384: Digest384?
    if banks.sha1 {
        guard try reader.number16() == tpmAlgorithmSHA1 else { throw .digestsMalformed }
        sha1 = Digest160(try reader.take(20))
    }
    if banks.sha256 {
        guard try reader.number16() == tpmAlgorithmSHA256 else { throw .digestsMalformed }
        sha256 = Digest256(try reader.take(32))
    }
    if banks.sha384 {
        guard try reader.number16() == tpmAlgorithmSHA384 else { throw .digestsMalformed }
        sha384 = Digest384(try reader.take(48))
    }
    let byteCount = try reader.number32()
    guard let byteCount = Int(exactly: byteCount) else { throw .truncated }
    let data = try reader.take(byteCount)
    return EventLogRecord(
        pcr: pcr, eventType: eventType, sha1: sha1, sha256: sha256, sha384: sha384, data: data)
}
