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

    @_lifetime(copy name)
    init(name: Span<UInt8>, digest: Digest384) {
        self.name = name
        self.digest = digest
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

    @_lifetime(copy name)
    init(name: Span<UInt8>, sizeInBytes: UInt64, digest: Digest384, kind: ModuleKind) {
        self.name = name
        self.sizeInBytes = sizeInBytes
        self.digest = digest
        self.kind = kind
    }
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
        source = manifest.sourceReference(at: offset + 48)
    }
}

/// How a channel carries information.
public enum ChannelKind: UInt32, Sendable {
    /// A signal from one compartment to another, and nothing back.
    case oneWaySignal = 1
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
    /// Where the channel is declared.
    public let source: SourceReference

    @_lifetime(copy name)
    init(name: Span<UInt8>, from: Int, to: Int, kind: ChannelKind, source: SourceReference) {
        self.name = name
        self.from = from
        self.to = to
        self.kind = kind
        self.source = source
    }
}

/// The module index that means "none".
let noModule: UInt32 = 0xffff_ffff
