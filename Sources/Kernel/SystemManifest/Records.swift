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

/// Where a record stands, and its fields by their offsets: they are read when they are asked for.
struct RecordFields: ~Escapable {
    let bytes: Span<UInt8>
    let offset: Int

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>, at offset: Int) {
        self.bytes = bytes
        self.offset = offset
    }

    @inline(never)
    func number(_ field: Int) -> Int { Int(bytes.littleEndian32(at: offset + field)) }
    @inline(never)
    func number64(_ field: Int) -> UInt64 { bytes.littleEndian64(at: offset + field) }
    func source(_ field: Int) -> SourceReference { bytes.sourceReference(at: offset + field) }
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
    private let fields: RecordFields

    @_lifetime(copy manifest)
    init(_ manifest: SystemManifest, at offset: Int) {
        fields = RecordFields(manifest.bytes, at: offset)
        name = manifest.string(at: offset)
        commandLine = manifest.string(at: offset + 8)
    }

    /// The domain that realises the compartment, from 1.
    public var domainID: UInt16 { UInt16(truncatingIfNeeded: fields.number(16)) }
    /// The index of its label, 0-based.
    public var label: Int { fields.number(20) }
    /// The index of its kernel among the modules, 0-based.
    public var kernel: Int { fields.number(24) }
    /// The index of its initial RAM disk among the modules, 0-based.
    public var initrd: Int? { fields.number(28) == noModule ? nil : fields.number(28) }
    /// The memory, in bytes, a multiple of 4 KiB.
    public var memorySizeInBytes: UInt64 { fields.number64(32) }
    /// The number of virtual CPUs, 1 to 8.
    public var virtualCPUCount: Int { fields.number(40) }
    /// Whether it starts with the machine.
    public var startsAutomatically: Bool { fields.number(44) & CompartmentFlag.manualStart == 0 }
    /// Whether it has a console of its own.
    public var hasConsole: Bool { fields.number(44) & CompartmentFlag.noConsole == 0 }
    /// Where the compartment is declared.
    public var source: SourceReference { fields.source(48) }
    /// What it does for others; nil for a compartment that is no service.
    public var service: ServiceKind? { ServiceKind(rawValue: UInt32(fields.number(60))) }
    /// The services that it uses, as bits.
    public var usedServices: UInt32 { UInt32(fields.number(64)) }
    /// Whether it may load a policy.
    public var mayLoadPolicy: Bool { fields.number(68) & CompartmentPower.loadPolicy != 0 }
    /// Whether it may relabel.
    public var mayRelabel: Bool { fields.number(68) & CompartmentPower.relabel != 0 }
    /// When it runs.
    public var schedule: ScheduleRecord {
        fields.bytes.schedule(at: fields.offset + 72) ?? .automatic
    }
    /// How often it is started again after it failed.
    public var restartLimit: Int { fields.number(88) }
    /// Those of lower rank start before it, 0 first.
    public var startRank: Int { fields.number(92) }
    /// How far it can be relied on, 0 least.
    public var integrityRank: Int { fields.number(96) }

    /// Returns whether it uses a service.
    public func uses(_ service: ServiceKind) -> Bool { usedServices & service.bit != 0 }
}

/// The flags of a compartment's record.
enum CompartmentFlag {
    static var manualStart: Int { 1 }
    static var noConsole: Int { 2 }
    static var all: UInt32 { 3 }
}

/// The powers of a compartment's record.
enum CompartmentPower {
    static var loadPolicy: Int { 1 }
    static var relabel: Int { 2 }
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
    private let fields: RecordFields

    @_lifetime(copy manifest)
    init(_ manifest: SystemManifest, at offset: Int) {
        fields = RecordFields(manifest.bytes, at: offset)
        name = manifest.string(at: offset)
    }

    /// The index of the sending compartment, 0-based.
    public var from: Int { fields.number(8) }
    /// The index of the receiving compartment, 0-based.
    public var to: Int { fields.number(12) }
    /// How it carries information.
    public var kind: ChannelKind { ChannelKind(rawValue: UInt32(fields.number(16))) ?? .signal }
    /// Whether `to` sends to `from` as well.
    public var isTwoWay: Bool { UInt32(fields.number(20)) & channelTwoWayFlag != 0 }
    /// Where the channel is declared.
    public var source: SourceReference { fields.source(24) }
    /// The pages of a ring, for each way; 0 for the other kinds.
    public var pageCount: Int { fields.number(36) }
    /// The most messages a second; 0: no bound.
    public var ratePerSecond: UInt64 { fields.number64(40) }
}

/// The flag of a channel that leads both ways.
let channelTwoWayFlag: UInt32 = 1
/// The module index that means "none".
let noModule = 0xffff_ffff
