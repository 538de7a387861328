/// A piece of hardware that one compartment has for itself.
public struct DeviceRecord: ~Escapable {
    /// The name, UTF-8.
    public let name: Span<UInt8>
    private let fields: RecordFields

    @_lifetime(copy manifest)
    init(_ manifest: SystemManifest, at offset: Int) {
        fields = RecordFields(manifest.bytes, at: offset)
        name = manifest.string(at: offset)
    }

    /// The index of the compartment that has it, 0-based.
    public var owner: Int { fields.number(8) }
    /// Whether it may run only behind an IOMMU.
    public var needsIOMMU: Bool { fields.number(12) & Int(DeviceFlag.needsIOMMU) != 0 }
    /// Segment, bus, device and function, 16, 8, 5 and 3 bits; nil: no PCI function.
    public var pciAddress: UInt32? {
        fields.number(12) & Int(DeviceFlag.hasPCI) != 0 ? UInt32(fields.number(16)) : nil
    }
    /// Where the device is declared.
    public var source: SourceReference { fields.source(20) }
}

/// What a range of a device is.
public enum DeviceRangeKind: UInt32, BitwiseCopyable, Sendable {
    /// An interrupt line.
    case interrupt = 1
    /// I/O ports.
    case ports
    /// I/O memory, in bytes.
    case memory

    /// The largest number of such a range.
    var largest: UInt64 {
        switch self {
        case .interrupt: 255
        case .ports: 0xffff
        case .memory: (1 << 52) - 1
        }
    }
}

/// What no compartment may have, whatever the policy says: what the hypervisor uses itself, and
/// what could move memory or stop the machine without asking it. By kind, the first and the last.
///
/// - I/O ports of a PC: DMA controllers and their pages, interrupt controllers, timers, keyboard
///   controller and system control (they reset the machine), real-time clock, power management,
///   COM1, QEMU's debug exit and firmware configuration (which has DMA), PCI's configuration space
///   and reset.
/// - I/O memory: all but the window from 0xfe000000 to 0xfeffffff, where no PC has memory or PCI's
///   configuration space; and in it interrupt controllers and flash, the TPM, power management,
///   local APICs, and where a guest finds the pages that it shares.
/// - Interrupt lines: timers, COM1, clock, power management, and those that the first controller
///   of a machine has not.
private let reserved: InlineArray<72, UInt32> = [
    2, 0x00, 0x0f, 2, 0x20, 0x21, 2, 0x40, 0x43, 2, 0x60, 0x64, 2, 0x70, 0x71, 2, 0x80, 0x9f,
    2, 0xa0, 0xa1, 2, 0xb2, 0xb3, 2, 0xc0, 0xdf, 2, 0xf4, 0xf4, 2, 0x3f8, 0x3ff, 2, 0x510, 0x51b,
    2, 0xcf8, 0xcff, 3, 0, 0xfdff_ffff, 3, 0xfec0_0000, 0xfec1_ffff, 3, 0xfed4_0000, 0xfed4_ffff,
    3, 0xfed8_0000, 0xfed8_ffff, 3, 0xfee0_0000, 0xfeef_ffff, 3, 0xfeff_0000, 0xffff_ffff,
    1, 0, 0, 1, 2, 2, 1, 4, 4, 1, 8, 9, 1, 24, 255,
]

extension DeviceRangeKind {
    /// Whether a range has something that no compartment may have; of I/O memory also when it is no
    /// whole pages.
    public func isReserved(_ first: UInt64, _ last: UInt64) -> Bool {
        for place in stride(from: 0, to: reserved.count, by: 3)
        where reserved[place] == rawValue && first <= UInt64(reserved[place + 2])
            && last >= UInt64(reserved[place + 1])
        {
            return true
        }
        return self == .memory && (first & 0xfff != 0 || last & 0xfff != 0xfff || last >> 32 != 0)
    }
}

/// What a device decodes, both ends included.
public struct DeviceRangeRecord: Equatable, Sendable {
    /// The index of the device, 0-based.
    public let device: Int
    /// What it is.
    public let kind: DeviceRangeKind
    /// The first number or address.
    public let first: UInt64
    /// The last one.
    public let last: UInt64
}

/// The flags of a device's record.
enum DeviceFlag {
    static var needsIOMMU: UInt32 { 1 }
    static var hasPCI: UInt32 { 2 }
    static var all: UInt32 { 3 }
}

/// What a part of an exemption names.
public enum ExemptionLink: Equatable, Sendable {
    /// A channel, by its index.
    case channel(Int)
    /// The use of a service by a compartment, by its index.
    case use(ServiceKind, by: Int)
    /// A subtree of the store, by its index.
    case subtree(Int)
}

/// A compartment may pass on what comes in by one link to another, against levels or integrity.
public struct ExemptionRecord: ~Escapable {
    /// The index of the exempt compartment, 0-based.
    public let subject: Int
    /// Where the information comes in.
    public let from: ExemptionLink
    /// Where it may go out.
    public let to: ExemptionLink
    /// Why this is right, UTF-8.
    public let reason: Span<UInt8>
    /// Where the exemption is declared.
    public let source: SourceReference

    @_lifetime(copy manifest)
    init(_ manifest: SystemManifest, at offset: Int) {
        subject = Int(manifest.bytes.littleEndian32(at: offset))
        from = manifest.exemptionLink(at: offset + 4) ?? .channel(0)
        to = manifest.exemptionLink(at: offset + 12) ?? .channel(0)
        source = manifest.bytes.sourceReference(at: offset + 20)
        reason = manifest.string(at: offset + 32)
    }
}

extension SystemManifest {
    /// The number of devices, 0 to 1,024.
    public var deviceCount: Int { sections[.devices].count }
    /// The number of ranges of all devices, 0 to 4,096.
    public var deviceRangeCount: Int { sections[.deviceRanges].count }
    /// The number of exemptions, 0 to 4,096.
    public var exemptionCount: Int { sections[.exemptions].count }

    /// Returns a device.
    ///
    /// - Precondition: `index` is below `deviceCount`.
    @_lifetime(copy self)
    @inline(never) public func device(at index: Int) -> DeviceRecord {
        DeviceRecord(self, at: offset(of: index, in: sections[.devices]))
    }

    /// Returns a range of a device; they stand in rising order of kind and first number.
    ///
    /// - Precondition: `index` is below `deviceRangeCount`.
    @inline(never) public func deviceRange(at index: Int) -> DeviceRangeRecord {
        let offset = offset(of: index, in: sections[.deviceRanges])
        return DeviceRangeRecord(
            device: Int(bytes.littleEndian32(at: offset)),
            kind: DeviceRangeKind(rawValue: bytes.littleEndian32(at: offset + 4)) ?? .interrupt,
            first: bytes.littleEndian64(at: offset + 8),
            last: bytes.littleEndian64(at: offset + 16))
    }

    /// Returns an exemption.
    ///
    /// - Precondition: `index` is below `exemptionCount`.
    @_lifetime(copy self)
    public func exemption(at index: Int) -> ExemptionRecord {
        ExemptionRecord(self, at: offset(of: index, in: sections[.exemptions]))
    }

    // MARK: Validation

    func validateDevices() throws(SystemManifestError) {
        for index in 0..<deviceCount {
            let offset = offset(of: index, in: sections[.devices])
            try validateName(at: offset, index: index, in: sections[.devices])
            guard bytes.littleEndian32(at: offset + 8) < UInt32(compartmentCount) else {
                throw .badIndex
            }
            let flags = bytes.littleEndian32(at: offset + 12)
            guard flags & ~DeviceFlag.all == 0,
                flags & DeviceFlag.hasPCI != 0 || bytes.littleEndian32(at: offset + 16) == 0
            else { throw .badDevice }
            for earlier in 0..<index where flags & DeviceFlag.hasPCI != 0 {
                guard device(at: earlier).pciAddress != bytes.littleEndian32(at: offset + 16)
                else { throw .badDevice }
            }
            try validateSourceReference(at: offset + 20)
        }
    }

    /// Checks that ranges rise and do not overlap, so that no two devices share anything.
    func validateDeviceRanges() throws(SystemManifestError) {
        var lastKind: UInt32 = 0
        var lastNumber: UInt64 = 0
        for index in 0..<deviceRangeCount {
            let offset = offset(of: index, in: sections[.deviceRanges])
            guard bytes.littleEndian32(at: offset) < UInt32(deviceCount) else { throw .badIndex }
            let rawKind = bytes.littleEndian32(at: offset + 4)
            let (first, last) = (
                bytes.littleEndian64(at: offset + 8), bytes.littleEndian64(at: offset + 16)
            )
            guard let kind = DeviceRangeKind(rawValue: rawKind), first <= last,
                last <= kind.largest,
                rawKind > lastKind || rawKind == lastKind && first > lastNumber
            else { throw .badDeviceRange }
            (lastKind, lastNumber) = (rawKind, last)
        }
    }

    func validateExemptions() throws(SystemManifestError) {
        for index in 0..<exemptionCount {
            let offset = offset(of: index, in: sections[.exemptions])
            guard bytes.littleEndian32(at: offset) < UInt32(compartmentCount) else {
                throw .badIndex
            }
            guard exemptionLink(at: offset + 4) != nil, exemptionLink(at: offset + 12) != nil
            else { throw .badExemption }
            try validateString(at: offset + 32, lengths: 0...maximumReasonLength)
            try validateSourceReference(at: offset + 20)
        }
    }

    /// Returns a part of an exemption; nil when there is no such link.
    func exemptionLink(at offset: Int) -> ExemptionLink? {
        let service = ServiceKind(rawValue: UInt32(bytes.littleEndian16(at: offset + 2)))
        let number = bytes.littleEndian32(at: offset + 4)
        switch bytes.littleEndian16(at: offset) {
        case 1:
            let isOne = service == nil && bytes.littleEndian16(at: offset + 2) == 0
            return isOne && number < UInt32(channelCount) ? .channel(Int(number)) : nil
        case 2:
            guard let service, number < UInt32(compartmentCount),
                bytes.littleEndian32(
                    at: self.offset(of: Int(number), in: sections[.compartments]) + 64)
                    & service.bit != 0
            else { return nil }
            return .use(service, by: Int(number))
        case 3:
            let isOne = service == nil && bytes.littleEndian16(at: offset + 2) == 0
            return isOne && number < UInt32(subtreeCount) ? .subtree(Int(number)) : nil
        default: return nil
        }
    }

    // MARK: Features

    /// Checks that the feature bits say what the records need, and nothing else.
    func validateFeatures() throws(SystemManifestError) {
        var needed = ManifestFeature.exemptions * (exemptionCount > 0 ? 1 : 0)
        for index in 0..<deviceRangeCount {
            switch deviceRange(at: index).kind {
            case .ports: needed |= ManifestFeature.devices
            case .interrupt, .memory: needed |= ManifestFeature.interruptsAndMemory
            }
        }
        for index in 0..<deviceCount where device(at: index).pciAddress != nil {
            needed |= ManifestFeature.pciDevices
        }
        for index in 0..<compartmentCount { needed |= features(ofCompartment: index) }
        for index in 0..<channelCount { needed |= features(ofChannel: index) }
        if subtreeCount > 0 { needed |= ManifestFeature.storeSubtrees }
        if storeQuotaCount > 0 { needed |= ManifestFeature.storeQuotas }
        for index in 0..<subtreeCount where subtree(at: index).ratePerSecond > 0 {
            needed |= ManifestFeature.rates
        }
        guard requiredFeatures & ManifestFeature.ofRecords == needed else {
            throw .featureMismatch
        }
    }

    private func features(ofCompartment index: Int) -> UInt64 {
        let compartment = compartment(at: index)
        let services = UInt64(compartment.usedServices | (compartment.service?.bit ?? 0))
        // The services' features stand in the order of their bits.
        var needed = services * ManifestFeature.storeService
        if compartment.memorySizeInBytes > ordinaryMemorySize {
            needed |= ManifestFeature.largeMemory
        }
        if !compartment.startsAutomatically { needed |= ManifestFeature.manualStart }
        if !compartment.hasConsole { needed |= ManifestFeature.noConsole }
        if compartment.mayLoadPolicy { needed |= ManifestFeature.policyLoading }
        if compartment.mayRelabel { needed |= ManifestFeature.relabelling }
        if compartment.restartLimit > 0 { needed |= ManifestFeature.restart }
        if compartment.startRank > 0 { needed |= ManifestFeature.startOrder }
        if compartment.integrityRank > 0 { needed |= ManifestFeature.integrity }
        switch compartment.schedule {
        case .automatic: break
        case .fixed: needed |= ManifestFeature.fixedSchedule
        case .fair: needed |= ManifestFeature.fairSchedule
        }
        return needed
    }

    private func features(ofChannel index: Int) -> UInt64 {
        let channel = channel(at: index)
        let rate = channel.ratePerSecond > 0 ? ManifestFeature.rates : 0
        switch channel.kind {
        case .signal: return rate | (channel.isTwoWay ? ManifestFeature.twoWaySignals : 0)
        case .ring: return rate | ManifestFeature.rings
        case .store: return rate | ManifestFeature.storeChannels
        case .block: return rate | ManifestFeature.blockChannels
        case .network: return rate | ManifestFeature.networkChannels
        }
    }
}

/// The longest reason of an exemption, in bytes.
public let maximumReasonLength = 1 << 20
