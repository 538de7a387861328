/// The header of the frames that COM2 carries, and the checksum of their payloads, alike on the
/// bare machine and on the host.
///
/// For: telling frames apart on a serial line, and noticing a broken line. Not for: authenticity;
/// a frame proves nothing about who sent it. Trusts nothing that it reads.
///
/// - Source: docs/abi/control-frames.md.

/// What a frame carries. An unknown kind is kept as a number: whether to refuse it is the
/// receiver's decision.
public struct ControlFrameKind: Equatable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt16

    /// Makes a kind of a number.
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// The whole TCG event log, hypervisor to host.
    public static var eventLog: ControlFrameKind { ControlFrameKind(rawValue: 1) }
    /// The machine has stopped; the payload is the reason, ASCII. Hypervisor to host.
    public static var stopped: ControlFrameKind { ControlFrameKind(rawValue: 2) }
    /// One record of the event log that was added after the log was sent. Hypervisor to host.
    public static var laterEvent: ControlFrameKind { ControlFrameKind(rawValue: 3) }
    /// The line is a compartment's from now on: what follows is no frame of the hypervisor's.
    /// Hypervisor to host.
    public static var handedOver: ControlFrameKind { ControlFrameKind(rawValue: 4) }
}

/// Who speaks: the two lives of COM2 have a version each, so that a frame of one is none of the
/// other.
public enum ControlFrameVersion: UInt16, Sendable {
    /// What the hypervisor sends before it gives the line away.
    case hypervisor = 1
    /// What a person's tool and the agent in the control compartment say to one another.
    case agent = 2
}

/// Why 24 bytes are no frame header that this version understands.
public enum ControlFrameError: Error, Equatable {
    /// There are not exactly 24 bytes.
    case wrongHeaderLength
    /// The first four bytes are not `CMCF`.
    case badMagic
    /// The version is another than the reader's.
    case unknownVersion
    /// A must-understand bit is set that this version does not know; none is defined.
    case unknownFeature
    /// The sequence number is 0: numbers start at 1.
    case sequenceZero
    /// The payload is longer than 1 MiB.
    case payloadTooLong

    /// A short reason, ASCII.
    public var reason: StaticString {
        switch self {
        case .wrongHeaderLength: "control frame: header is not 24 bytes"
        case .badMagic: "control frame: bad magic"
        case .unknownVersion: "control frame: unknown version"
        case .unknownFeature: "control frame: unknown feature"
        case .sequenceZero: "control frame: sequence number 0"
        case .payloadTooLong: "control frame: payload too long"
        }
    }
}

/// A frame's header.
///
/// - Layout: 24 bytes, little-endian: magic, version, kind, required features, sequence number,
///   payload length, CRC-32 of the payload.
public struct ControlFrameHeader: Equatable, Sendable {
    /// Returns the length of a header.
    /// - Units: bytes.
    public static var byteCount: Int { 24 }

    /// The longest payload, 1 MiB.
    /// - Units: bytes.
    public static var maximumPayloadByteCount: Int { 1 << 20 }

    /// Who speaks.
    public let version: ControlFrameVersion
    /// What the payload is.
    public let kind: ControlFrameKind
    /// The number of the frame in its direction, from 1.
    public let sequence: UInt32
    /// The length of the payload, at most `maximumPayloadByteCount`.
    /// - Units: bytes.
    public let payloadByteCount: Int
    /// The CRC-32 of the payload.
    public let payloadChecksum: UInt32

    /// Makes the header of a frame that carries `payload`.
    ///
    /// - Throws: `.sequenceZero` if `sequence` is 0; `.payloadTooLong` above 1 MiB.
    public init(
        kind: ControlFrameKind, sequence: UInt32, payload: Span<UInt8>,
        version: ControlFrameVersion = .hypervisor
    ) throws(ControlFrameError) {
        guard sequence != 0 else { throw .sequenceZero }
        guard payload.count <= Self.maximumPayloadByteCount else { throw .payloadTooLong }
        self.version = version
        self.kind = kind
        self.sequence = sequence
        payloadByteCount = payload.count
        payloadChecksum = CRC32.checksum(of: payload)
    }

    /// Reads a header from exactly 24 bytes.
    ///
    /// - Trust: any bytes. What is returned is well formed; the payload is still to be read and
    ///   checked with `accepts(payload:)`.
    /// - Throws: `ControlFrameError`, each case for the reason of its name.
    public init(
        validating bytes: Span<UInt8>, version: ControlFrameVersion = .hypervisor
    ) throws(ControlFrameError) {
        guard bytes.count == Self.byteCount else { throw .wrongHeaderLength }
        guard number32(bytes, 0) == 0x4643_4D43 else { throw .badMagic }
        guard number16(bytes, 4) == version.rawValue else { throw .unknownVersion }
        guard number32(bytes, 8) == 0 else { throw .unknownFeature }
        sequence = number32(bytes, 12)
        guard sequence != 0 else { throw .sequenceZero }
        guard let count = Int(exactly: number32(bytes, 16)),
            count <= Self.maximumPayloadByteCount
        else { throw .payloadTooLong }
        self.version = version
        kind = ControlFrameKind(rawValue: number16(bytes, 6))
        payloadByteCount = count
        payloadChecksum = number32(bytes, 20)
    }

    /// Returns the 24 bytes of the header.
    public var encoded: InlineArray<24, UInt8> {
        var bytes = InlineArray<24, UInt8>(repeating: 0)
        store(0x4643_4D43, at: 0, in: &bytes)
        store(UInt32(kind.rawValue) << 16 | UInt32(version.rawValue), at: 4, in: &bytes)
        store(sequence, at: 12, in: &bytes)
        store(UInt32(truncatingIfNeeded: payloadByteCount), at: 16, in: &bytes)
        store(payloadChecksum, at: 20, in: &bytes)
        return bytes
    }

    /// Returns whether `payload` has the header's length and checksum.
    public func accepts(payload: Span<UInt8>) -> Bool {
        payload.count == payloadByteCount && CRC32.checksum(of: payload) == payloadChecksum
    }
}

/// Returns the little-endian number at `offset`, which the caller knows to be in range.
func number32(_ bytes: Span<UInt8>, _ offset: Int) -> UInt32 {
    UInt32(bytes[offset]) | UInt32(bytes[offset + 1]) << 8 | UInt32(bytes[offset + 2]) << 16
        | UInt32(bytes[offset + 3]) << 24
}

/// Returns the little-endian number at `offset`, which the caller knows to be in range.
func number16(_ bytes: Span<UInt8>, _ offset: Int) -> UInt16 {
    UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8
}

/// Stores a little-endian number at `offset`, which the caller knows to be in range.
private func store(_ number: UInt32, at offset: Int, in bytes: inout InlineArray<24, UInt8>) {
    for position in 0..<4 {
        bytes[offset + position] = UInt8(truncatingIfNeeded: number >> UInt32(8 * position))
    }
}
