public import Digests
public import SecurityLattice

/// A place in a source of the system, for messages to people.
public struct SourceReference: Equatable, Sendable {
    /// The index of the source, 0-based.
    public let source: Int
    /// The line, 1-based.
    public let line: UInt32
    /// The column, 1-based.
    public let column: UInt32

    /// Creates a place.
    public init(source: Int, line: UInt32, column: UInt32) {
        self.source = source
        self.line = line
        self.column = column
    }
}

/// One source file of the system.
public struct SourceRecord: ~Escapable {
    /// The path, relative to the system's folder, UTF-8.
    public let name: Span<UInt8>
    /// SHA-384 of the file.
    public let digest: Digest384

    @_lifetime(copy manifest)
    init(_ manifest: SystemManifest, at offset: Int) {
        name = manifest.string(at: offset)
        digest = manifest.digest(at: offset + 8)
    }
}

/// A security context in the numbers of the policy database.
public struct LabelRecord: Equatable, Sendable {
    /// The user, 1-based.
    public let user: UInt32
    /// The role, 1-based.
    public let role: UInt32
    /// The type, 1-based.
    public let type: UInt32
    /// The levels, low to high.
    public let range: SecurityRange
}

/// What a boot module is.
public enum ModuleKind: UInt32, Sendable {
    /// A guest kernel.
    case kernel = 1
    /// An initial RAM disk.
    case initrd = 2
}

/// One boot module, known by its digest.
public struct ModuleRecord: ~Escapable {
    /// The name, UTF-8, for messages.
    public let name: Span<UInt8>
    /// The size, in bytes.
    public let sizeInBytes: UInt64
    /// SHA-384 of the module.
    public let digest: Digest384
    /// What the module is.
    public let kind: ModuleKind

    @_lifetime(copy manifest)
    init(_ manifest: SystemManifest, at offset: Int) {
        name = manifest.string(at: offset)
        sizeInBytes = manifest.bytes.littleEndian64(at: offset + 8)
        digest = manifest.digest(at: offset + 16)
        kind = ModuleKind(rawValue: manifest.bytes.littleEndian32(at: offset + 64)) ?? .kernel
    }
}

/// What a compartment does for others.
public enum ServiceKind: UInt32, Sendable {
    /// Keeps named values.
    case store = 1
    /// Carries what compartments print, and what is typed to them.
    case console
    /// Carries orders from outside the machine.
    case control
    /// Gives the TPM to those that may use it.
    case tpm
    /// Collects records of what was refused.
    case audit

    /// The service's bit in a set of services.
    public var bit: UInt32 { 1 << (rawValue - 1) }
    /// The bits of all services.
    static var allBits: UInt32 { 0b11111 }
}

/// When a compartment runs.
public enum ScheduleRecord: Equatable, Sendable {
    /// As the hypervisor does without a word.
    case automatic
    /// At the same time of every frame.
    case fixed(slotInMicroseconds: UInt32)
    /// By weight, at most `capInPercent` of a processor; 0: no bound.
    case fair(weight: UInt32, capInPercent: UInt32)
}

/// One compartment.
public struct CompartmentRecord: ~Escapable {
    /// The name, UTF-8.
    public let name: Span<UInt8>
    /// The kernel's command line, UTF-8.
    public let commandLine: Span<UInt8>
    /// The domain that realises the compartment, from 1.
    public let domainID: UInt16
    /// The index of its label, 0-based.
    public let label: Int
    /// The index of its kernel among the modules, 0-based.
    public let kernel: Int
    /// The index of its initial RAM disk among the modules, 0-based.
    public let initrd: Int?
    /// The memory, in bytes, a multiple of 4 KiB.
    public let memorySizeInBytes: UInt64
    /// The number of virtual CPUs, 1 to 8.
    public let virtualCPUCount: Int
    /// Whether it starts with the machine.
    public let startsAutomatically: Bool
    /// Whether it has a console of its own.
    public let hasConsole: Bool
    /// What it does for others; nil for a compartment that is no service.
    public let service: ServiceKind?
    /// The services that it uses, as bits.
    public let usedServices: UInt32
    /// Whether it may load a policy.
    public let mayLoadPolicy: Bool
    /// Whether it may relabel.
    public let mayRelabel: Bool
    /// When it runs.
    public let schedule: ScheduleRecord
    /// How often it is started again after it failed.
    public let restartLimit: Int
    /// Those of lower rank start before it, 0 first.
    public let startRank: Int
    /// How far it can be relied on, 0 least.
    public let integrityRank: Int
    /// Where the compartment is declared.
    public let source: SourceReference

    @_lifetime(copy manifest)
    init(_ manifest: SystemManifest, at offset: Int) {
        let bytes = manifest.bytes
        name = manifest.string(at: offset)
        commandLine = manifest.string(at: offset + 8)
        domainID = UInt16(truncatingIfNeeded: bytes.littleEndian32(at: offset + 16))
        label = Int(bytes.littleEndian32(at: offset + 20))
        kernel = Int(bytes.littleEndian32(at: offset + 24))
        let initrdIndex = bytes.littleEndian32(at: offset + 28)
        initrd = initrdIndex == noModule ? nil : Int(initrdIndex)
        memorySizeInBytes = bytes.littleEndian64(at: offset + 32)
        virtualCPUCount = Int(bytes.littleEndian32(at: offset + 40))
        let flags = bytes.littleEndian32(at: offset + 44)
        startsAutomatically = flags & CompartmentFlag.manualStart == 0
        hasConsole = flags & CompartmentFlag.noConsole == 0
        source = manifest.sourceReference(at: offset + 48)
        service = ServiceKind(rawValue: bytes.littleEndian32(at: offset + 60))
        usedServices = bytes.littleEndian32(at: offset + 64)
        let powers = bytes.littleEndian32(at: offset + 68)
        mayLoadPolicy = powers & CompartmentPower.loadPolicy != 0
        mayRelabel = powers & CompartmentPower.relabel != 0
        schedule = manifest.schedule(at: offset + 72) ?? .automatic
        restartLimit = Int(bytes.littleEndian32(at: offset + 88))
        startRank = Int(bytes.littleEndian32(at: offset + 92))
        integrityRank = Int(bytes.littleEndian32(at: offset + 96))
    }

    /// Returns whether it uses a service.
    public func uses(_ service: ServiceKind) -> Bool { usedServices & service.bit != 0 }
}

/// The flags of a compartment's record.
enum CompartmentFlag {
    static var manualStart: UInt32 { 1 }
    static var noConsole: UInt32 { 2 }
    static var all: UInt32 { 3 }
}

/// The powers of a compartment's record.
enum CompartmentPower {
    static var loadPolicy: UInt32 { 1 }
    static var relabel: UInt32 { 2 }
    static var all: UInt32 { 3 }
}

/// How a channel carries information.
public enum ChannelKind: UInt32, Sendable {
    /// An event channel that carries no data but the event.
    case signal = 1
    /// Shared pages, and an event channel.
    case ring
    /// A directory of the store.
    case store
    /// A block device.
    case block
    /// A network.
    case network
}

/// One declared channel.
public struct ChannelRecord: ~Escapable {
    /// The name, UTF-8.
    public let name: Span<UInt8>
    /// The index of the sending compartment, 0-based.
    public let from: Int
    /// The index of the receiving compartment, 0-based.
    public let to: Int
    /// How it carries information.
    public let kind: ChannelKind
    /// Whether `to` sends to `from` as well.
    public let isTwoWay: Bool
    /// The pages of a ring, for each way; 0 for the other kinds.
    public let pageCount: Int
    /// The most messages a second; 0: no bound.
    public let ratePerSecond: UInt64
    /// Where the channel is declared.
    public let source: SourceReference

    @_lifetime(copy manifest)
    init(_ manifest: SystemManifest, at offset: Int) {
        let bytes = manifest.bytes
        name = manifest.string(at: offset)
        from = Int(bytes.littleEndian32(at: offset + 8))
        to = Int(bytes.littleEndian32(at: offset + 12))
        kind = ChannelKind(rawValue: bytes.littleEndian32(at: offset + 16)) ?? .signal
        isTwoWay = bytes.littleEndian32(at: offset + 20) & channelTwoWayFlag != 0
        source = manifest.sourceReference(at: offset + 24)
        pageCount = Int(bytes.littleEndian32(at: offset + 36))
        ratePerSecond = bytes.littleEndian64(at: offset + 40)
    }
}

/// The flag of a channel that leads both ways.
let channelTwoWayFlag: UInt32 = 1
/// The module index that means "none".
let noModule: UInt32 = 0xffff_ffff
