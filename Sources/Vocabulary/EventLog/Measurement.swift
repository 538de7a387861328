public import Digests

/// The tag of a measured event: `TCG_PCClientTaggedEvent.taggedEventID`.
public struct EventTag: Equatable, Sendable {
    /// The number in the event data.
    public let rawValue: UInt32

    /// Makes a tag of a number.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The policy's digest, in PCR 12.
    public static var policy: EventTag { EventTag(rawValue: 0x4353_4D01) }
    /// The manifest's digest, in PCR 12.
    public static var manifest: EventTag { EventTag(rawValue: 0x4353_4D02) }
    /// One compartment, in PCR 13.
    public static var compartment: EventTag { EventTag(rawValue: 0x4353_4D03) }
    /// A compartment is started again, deployed or ended, in PCR 15.
    public static var life: EventTag { EventTag(rawValue: 0x4353_4D04) }
    /// The machine refused to go on, in PCR 12.
    public static var stop: EventTag { EventTag(rawValue: 0x4353_4D0F) }
}

/// What one event measures: which register, which tag, and how its payload is encoded.
///
/// - Source: docs/abi/evidence.md.
public protocol Measurement: ~Copyable, ~Escapable {
    /// The register that is extended.
    var pcr: PCRIndex { get }
    /// The tag that opens the event data.
    var tag: EventTag { get }
    /// Appends the payload, without tag and length.
    func encodePayload<Sink: ByteSink & ~Copyable & ~Escapable>(into sink: inout Sink)
}

extension Measurement where Self: ~Copyable & ~Escapable {
    /// Returns the length of the payload.
    /// - Units: bytes.
    public var payloadByteCount: Int {
        var counter = CountingSink()
        encodePayload(into: &counter)
        return counter.count
    }

    /// Appends the event data: tag, payload length and payload (`TCG_PCClientTaggedEvent`).
    public func encodeEventData<Sink: ByteSink & ~Copyable & ~Escapable>(into sink: inout Sink) {
        sink.append(littleEndian: tag.rawValue)
        sink.append(littleEndian: UInt32(truncatingIfNeeded: payloadByteCount))
        encodePayload(into: &sink)
    }
}

/// Counts what an encoder would write.
private struct CountingSink: ByteSink {
    var count = 0
    mutating func append(_ byte: UInt8) { count += 1 }
}

/// The event of the policy: SHA-384 of the file, before it is parsed.
public struct PolicyMeasurement: Measurement {
    private let digest: Digest384

    /// Measures a policy of this digest.
    public init(_ digest: Digest384) { self.digest = digest }

    /// Returns PCR 12.
    public var pcr: PCRIndex { .policy }
    /// Returns the policy's tag.
    public var tag: EventTag { .policy }
    /// Appends the 48 bytes of the digest.
    public func encodePayload<Sink: ByteSink & ~Copyable & ~Escapable>(into sink: inout Sink) {
        sink.append(digest.bytes)
    }
}

/// The event of the system manifest: SHA-384 of the file, before it is parsed.
public struct ManifestMeasurement: Measurement {
    private let digest: Digest384

    /// Measures a manifest of this digest.
    public init(_ digest: Digest384) { self.digest = digest }

    /// Returns PCR 12.
    public var pcr: PCRIndex { .policy }
    /// Returns the manifest's tag.
    public var tag: EventTag { .manifest }
    /// Appends the 48 bytes of the digest.
    public func encodePayload<Sink: ByteSink & ~Copyable & ~Escapable>(into sink: inout Sink) {
        sink.append(digest.bytes)
    }
}

/// The event of a machine that refuses to go on.
public struct StopMeasurement: Measurement, ~Escapable {
    private let reason: Span<UInt8>

    /// Measures a stop for this reason, in ASCII.
    @_lifetime(copy reason)
    public init(reason: Span<UInt8>) { self.reason = reason }

    /// Returns PCR 12.
    public var pcr: PCRIndex { .policy }
    /// Returns the stop's tag.
    public var tag: EventTag { .stop }
    /// Appends the reason.
    public func encodePayload<Sink: ByteSink & ~Copyable & ~Escapable>(into sink: inout Sink) {
        sink.append(reason)
    }
}

/// The event of one compartment: all that decides what runs in it.
///
/// - Layout: fields 1 to 8 in order, each `u32 field`, `u32 length`, bytes, unpadded.
/// - Source: docs/abi/evidence.md, "Compartment payload".
public struct CompartmentMeasurement: Measurement, ~Escapable {
    private let name: Span<UInt8>
    private let domainID: UInt32
    private let label: Span<UInt8>
    private let kernel: Digest384
    private let initrd: Digest384?
    private let commandLine: Span<UInt8>
    private let memoryInBytes: UInt64
    private let vcpuCount: UInt32

    /// Measures a compartment.
    ///
    /// - Parameters:
    ///   - name: The compartment's name, UTF-8.
    ///   - domainID: The domain that realises it.
    ///   - label: The manifest's label record, 88 bytes.
    ///   - kernel: SHA-384 of the module that was loaded, as computed, not as promised.
    ///   - initrd: SHA-384 of the module that was loaded; `nil`: none.
    ///   - commandLine: UTF-8.
    ///   - memoryInBytes: The domain's memory.
    ///   - vcpuCount: The domain's virtual processors.
    @_lifetime(copy name, copy label, copy commandLine)
    public init(
        name: Span<UInt8>, domainID: UInt32, label: Span<UInt8>, kernel: Digest384,
        initrd: Digest384?, commandLine: Span<UInt8>, memoryInBytes: UInt64, vcpuCount: UInt32
    ) {
        self.name = name
        self.domainID = domainID
        self.label = label
        self.kernel = kernel
        self.initrd = initrd
        self.commandLine = commandLine
        self.memoryInBytes = memoryInBytes
        self.vcpuCount = vcpuCount
    }

    /// Returns PCR 13.
    public var pcr: PCRIndex { .compartments }
    /// Returns the compartment's tag.
    public var tag: EventTag { .compartment }

    /// Appends the eight fields.
    public func encodePayload<Sink: ByteSink & ~Copyable & ~Escapable>(into sink: inout Sink) {
        appendField(.name, name, to: &sink)
        appendField(.domainID, UInt64(domainID), byteCount: 4, to: &sink)
        appendField(.label, label, to: &sink)
        appendField(.kernel, kernel.bytes, to: &sink)
        if let initrd {
            appendField(.initrd, initrd.bytes, to: &sink)
        } else {
            appendField(.initrd, UInt64(0), byteCount: 0, to: &sink)
        }
        appendField(.commandLine, commandLine, to: &sink)
        appendField(.memory, memoryInBytes, byteCount: 8, to: &sink)
        appendField(.vcpuCount, UInt64(vcpuCount), byteCount: 4, to: &sink)
    }
}

private func appendField<Sink: ByteSink & ~Copyable & ~Escapable>(
    _ field: CompartmentField, _ bytes: Span<UInt8>, to sink: inout Sink
) {
    sink.append(littleEndian: field.rawValue)
    sink.append(littleEndian: UInt32(truncatingIfNeeded: bytes.count))
    sink.append(bytes)
}

private func appendField<Sink: ByteSink & ~Copyable & ~Escapable>(
    _ field: CompartmentField, _ number: UInt64, byteCount: Int, to sink: inout Sink
) {
    sink.append(littleEndian: field.rawValue)
    sink.append(littleEndian: UInt32(truncatingIfNeeded: byteCount))
    for position in 0..<byteCount {
        sink.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * position)))
    }
}

/// What becomes of a compartment while the system runs.
public enum LifeChange: UInt32, Equatable, Sendable {
    /// It failed, and starts again.
    case restart = 1
    /// It starts by order.
    case deploy = 2
    /// It ends by order.
    case destroy = 3
}

/// The event of a compartment that is about to start again, to start by order, or to end by order.
///
/// - Layout: fields 1, 2, 4, 5, 9 and 10 in order, as in a compartment's payload.
/// - Source: docs/abi/evidence.md, "Changes".
public struct LifeMeasurement: Measurement, ~Escapable {
    private let change: LifeChange
    private let name: Span<UInt8>
    private let domainID: UInt32
    private let generation: UInt32
    private let kernel: Digest384?
    private let initrd: Digest384?

    /// Measures a change.
    ///
    /// - Parameters:
    ///   - change: What happens.
    ///   - name: The compartment's name, UTF-8.
    ///   - domainID: The domain that realises it.
    ///   - generation: Which of its lives begins; for an end, which one ends.
    ///   - kernel: SHA-384 of the module that is about to be loaded, as computed; `nil`: none is.
    ///   - initrd: Likewise.
    @_lifetime(copy name)
    public init(
        change: LifeChange, name: Span<UInt8>, domainID: UInt32, generation: UInt32,
        kernel: Digest384?, initrd: Digest384?
    ) {
        self.change = change
        self.name = name
        self.domainID = domainID
        self.generation = generation
        self.kernel = kernel
        self.initrd = initrd
    }

    /// Returns PCR 15.
    public var pcr: PCRIndex { .changes }
    /// Returns the tag of changes of life.
    public var tag: EventTag { .life }

    /// Appends the six fields.
    public func encodePayload<Sink: ByteSink & ~Copyable & ~Escapable>(into sink: inout Sink) {
        appendField(.name, name, to: &sink)
        appendField(.domainID, UInt64(domainID), byteCount: 4, to: &sink)
        append(.kernel, kernel, to: &sink)
        append(.initrd, initrd, to: &sink)
        appendField(.change, UInt64(change.rawValue), byteCount: 4, to: &sink)
        appendField(.generation, UInt64(generation), byteCount: 4, to: &sink)
    }

    private func append<Sink: ByteSink & ~Copyable & ~Escapable>(
        _ field: CompartmentField, _ digest: Digest384?, to sink: inout Sink
    ) {
        if let digest {
            appendField(field, digest.bytes, to: &sink)
        } else {
            appendField(field, UInt64(0), byteCount: 0, to: &sink)
        }
    }
}

/// The fields of a compartment's payload, in their order.
public enum CompartmentField: UInt32, Equatable, Sendable {
    /// The compartment's name, UTF-8.
    case name = 1
    /// The domain's number, `u32`.
    case domainID = 2
    /// The manifest's label record, 88 bytes.
    case label = 3
    /// SHA-384 of the kernel module.
    case kernel = 4
    /// SHA-384 of the initrd module, or nothing.
    case initrd = 5
    /// The command line, UTF-8.
    case commandLine = 6
    /// The memory in bytes, `u64`.
    case memory = 7
    /// The number of virtual processors, `u32`.
    case vcpuCount = 8
    /// What becomes of the compartment, `u32`: a `LifeChange`.
    case change = 9
    /// Which of its lives it is, `u32`, from 1.
    case generation = 10
}
