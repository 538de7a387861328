internal import Digests

/// The form of a firmware's event log, which its first record decides.
public struct FirmwareLogForm: BitwiseCopyable {
    /// One algorithm of the header (`TCG_EfiSpecIdEventAlgorithmSize`).
    struct Algorithm: BitwiseCopyable {
        let identifier: UInt16
        let byteCount: Int
    }

    /// Whether it is the crypto-agile one; else it is that of TPM 1.2: SHA-1 alone, no header.
    public fileprivate(set) var isAgile = false
    fileprivate var algorithms = InlineArray<8, Algorithm>(
        repeating: Algorithm(identifier: 0, byteCount: 0))
    fileprivate var algorithmCount = 0

    fileprivate func byteCount(of identifier: UInt16) -> Int? {
        for index in 0..<algorithmCount where algorithms[index].identifier == identifier {
            return algorithms[index].byteCount
        }
        return nil
    }
}

/// A firmware's event log, of either form, which is read more liberally than our own: any header
/// that names its algorithms, any algorithms, digests in any order.
///
/// - Trust: none. Whether the log is true only a quote can tell.
/// - Source: TCG PC Client Platform Firmware Profile 1.05, 10.2.1, 10.2.2, 10.4.5.1.
public struct FirmwareEventLog: ~Escapable {
    /// The log's form.
    public let form: FirmwareLogForm
    private var reader: LogReader

    /// How far the records were read.
    ///
    /// - Units: bytes from the start of the log.
    public var offset: Int { reader.position }

    /// Reads the header, if there is one.
    ///
    /// - Throws: `.truncated`, `.headerMalformed`, `.algorithmsMalformed`.
    @_lifetime(copy bytes)
    public init(_ bytes: Span<UInt8>) throws(EventLogError) {
        reader = LogReader(bytes)
        var header = LogReader(bytes)
        guard let form = try readForm(&header) else {
            form = FirmwareLogForm()
            return
        }
        self.form = form
        reader = header
    }

    /// Reads records of a form that is known, without a header.
    @_lifetime(copy bytes)
    public init(records bytes: Span<UInt8>, form: FirmwareLogForm) {
        self.form = form
        reader = LogReader(bytes)
    }

    /// Returns the next event; nil at the end of the bytes, or where no event was written yet: an
    /// area for a log is zeros, or all ones, behind its last event.
    ///
    /// - Throws: `.truncated`, `.registerOutOfRange`, `.digestsMalformed`.
    @_lifetime(copy self)
    @inline(never) public mutating func next() throws(EventLogError) -> FirmwareEvent? {
        var reader = self.reader
        guard !reader.isAtEnd else { return nil }
        let pcr = try reader.number32()
        let eventType = try reader.number32()
        if pcr == .max || (pcr == 0 && eventType == 0) { return nil }
        guard let pcr = PCRIndex(rawValue: pcr) else { throw .registerOutOfRange }
        var sha1: Digest160?
        var sha256: Digest256?
        var sha384: Digest384?
        if form.isAgile {
            let count = try reader.number32()
            guard count <= 8 else { throw .digestsMalformed }
            for _ in 0..<count {
                let identifier = try reader.number16()
                guard let byteCount = form.byteCount(of: identifier) else {
                    throw .digestsMalformed
                }
                let digest = try reader.take(byteCount)
                switch identifier {
                case tpmAlgorithmSHA1: sha1 = Digest160(digest)
                case tpmAlgorithmSHA256: sha256 = Digest256(digest)
                case tpmAlgorithmSHA384: sha384 = Digest384(digest)
                default: break
                }
            }
        } else {
            sha1 = Digest160(try reader.take(20))
        }
        guard let byteCount = Int(exactly: try reader.number32()) else { throw .truncated }
        let data = try reader.take(byteCount)
        self.reader = reader
        return FirmwareEvent(
            pcr: pcr, eventType: eventType, sha1: sha1, sha256: sha256, sha384: sha384, data: data)
    }
}

/// An event that the firmware, or a boot loader through it, has measured.
public struct FirmwareEvent: ~Escapable {
    /// The register.
    public let pcr: PCRIndex
    /// The event's type.
    public let eventType: UInt32
    let sha1: Digest160?
    let sha256: Digest256?
    let sha384: Digest384?
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

extension EventLogWriter {
    /// Takes a firmware's events over, in our form and in their order: their digests, as far as
    /// they are of our banks, and their data, byte by byte. Nothing is extended.
    ///
    /// - Returns: how many events were taken.
    /// - Throws: what reading throws; `.digestsMalformed` for an event that lacks the digest of one
    ///   of our banks; `.bufferFull`. The log is unchanged then.
    public mutating func takeOver(
        _ log: consuming FirmwareEventLog, in buffer: consuming MutableSpan<UInt8>
    ) throws(EventLogError) -> Int {
        var sink = BufferSink(buffer, from: count)
        var events = 0
        while let event = try log.next() {
            try encode(event, into: &sink)
            guard !sink.overflowed else { throw .bufferFull }
            events += 1
        }
        guard count + sink.count <= EventLogLimits.byteCount else { throw .bufferFull }
        grow(by: sink.count)
        return events
    }

    private func encode(
        _ event: borrowing FirmwareEvent, into sink: inout BufferSink
    ) throws(EventLogError) {
        sink.append(littleEndian: event.pcr.rawValue)
        sink.append(littleEndian: event.eventType)
        sink.append(littleEndian: UInt32(truncatingIfNeeded: banks.count))
        if banks.sha1 {
            guard let digest = event.sha1 else { throw .digestsMalformed }
            sink.append(littleEndian: tpmAlgorithmSHA1)
            sink.append(digest.bytes)
        }
        if banks.sha256 {
            guard let digest = event.sha256 else { throw .digestsMalformed }
            sink.append(littleEndian: tpmAlgorithmSHA256)
            sink.append(digest.bytes)
        }
        if banks.sha384 {
            guard let digest = event.sha384 else { throw .digestsMalformed }
            sink.append(littleEndian: tpmAlgorithmSHA384)
            sink.append(digest.bytes)
        }
        sink.append(littleEndian: UInt32(truncatingIfNeeded: event.data.count))
        sink.append(event.data)
    }
}

/// Reads a `TCG_EfiSpecIdEvent` header; nil when the first record is none: the log is of TPM 1.2.
private func readForm(_ reader: inout LogReader) throws(EventLogError) -> FirmwareLogForm? {
    guard try reader.number32() == 0, try reader.number32() == eventTypeNoAction else {
        return nil
    }
    _ = try reader.take(20)
    let dataByteCount = Int(try reader.number32())
    let dataStart = reader.position
    guard dataByteCount >= 16 else { return nil }
    let signature = try reader.take(16)
    for index in signature.indices where signature[index] != specIDEvent03[index] { return nil }
    _ = try reader.take(8)
    var form = FirmwareLogForm()
    form.isAgile = true
    let count = try reader.number32()
    guard count >= 1, count <= 8 else { throw .algorithmsMalformed }
    form.algorithmCount = Int(count)
    for index in 0..<form.algorithmCount {
        let identifier = try reader.number16()
        let byteCount = Int(try reader.number16())
        guard byteCount >= 1, byteCount <= 64, form.isNew(identifier, before: index),
            isPlausible(identifier, byteCount)
        else { throw .algorithmsMalformed }
        form.algorithms[index] = .init(identifier: identifier, byteCount: byteCount)
    }
    let vendorInformation = try reader.take(1)
    _ = try reader.take(Int(vendorInformation[0]))
    guard reader.position - dataStart == dataByteCount else { throw .headerMalformed }
    return form
}

extension FirmwareLogForm {
    fileprivate func isNew(_ identifier: UInt16, before index: Int) -> Bool {
        for earlier in 0..<index where algorithms[earlier].identifier == identifier {
            return false
        }
        return true
    }
}

/// Whether an algorithm that we know has digests of its length.
private func isPlausible(_ identifier: UInt16, _ byteCount: Int) -> Bool {
    switch identifier {
    case tpmAlgorithmSHA1: byteCount == 20
    case tpmAlgorithmSHA256: byteCount == 32
    case tpmAlgorithmSHA384: byteCount == 48
    default: true
    }
}
