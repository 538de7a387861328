public import Digests
public import PolicyDatabase
public import SystemManifest

/// A system manifest as data that a compiler builds: the rich side of `SystemManifest`.
///
/// The result is what the model says, valid or not: only `SystemManifest` finds out.
/// - Source: `docs/abi/manifest.md`, version 1.
public struct SystemManifestModel: Equatable, Sendable {
    /// A source file of the system.
    public struct Source: Equatable, Sendable {
        /// The path, relative to the system's folder.
        public var name: String
        /// SHA-384 of the file.
        public var digest: Digest384

        /// Creates a source.
        public init(name: String, digest: Digest384) {
            self.name = name
            self.digest = digest
        }
    }

    /// A boot module.
    public struct Module: Equatable, Sendable {
        /// The name, for messages.
        public var name: String
        /// What it is.
        public var kind: ModuleKind
        /// The size, in bytes.
        public var sizeInBytes: UInt64
        /// SHA-384 of the module.
        public var digest: Digest384

        /// Creates a module.
        public init(name: String, kind: ModuleKind, sizeInBytes: UInt64, digest: Digest384) {
            self.name = name
            self.kind = kind
            self.sizeInBytes = sizeInBytes
            self.digest = digest
        }
    }

    /// A compartment; indices are 0-based.
    public struct Compartment: Equatable, Sendable {
        /// The name.
        public var name: String
        /// The kernel's command line.
        public var commandLine: String
        /// The index of its label.
        public var label: Int
        /// The index of its kernel among the modules.
        public var kernel: Int
        /// The index of its initial RAM disk among the modules.
        public var initrd: Int?
        /// The memory, in bytes.
        public var memoryInBytes: UInt64
        /// The number of virtual CPUs.
        public var vcpuCount: UInt32
        /// Whether it starts with the machine.
        public var startsAutomatically = true
        /// Whether it has a console.
        public var hasConsole = true
        /// What it does for others; nil for a compartment that is no service.
        public var service: ServiceKind?
        /// The services that it uses.
        public var uses: [ServiceKind] = []
        /// Whether it may load a policy.
        public var mayLoadPolicy = false
        /// Whether it may relabel.
        public var mayRelabel = false
        /// When it runs.
        public var schedule = ScheduleRecord.automatic
        /// How often it is started again after it failed.
        public var restartLimit: UInt32 = 0
        /// Those of lower rank start before it.
        public var startRank: UInt32 = 0
        /// How far it can be relied on.
        public var integrityRank: UInt32 = 0
        /// Where it is declared.
        public var place: SourceReference

        /// Creates a compartment that says nothing else.
        public init(
            name: String, commandLine: String, label: Int, kernel: Int, initrd: Int?,
            memoryInBytes: UInt64, vcpuCount: UInt32, place: SourceReference
        ) {
            self.name = name
            self.commandLine = commandLine
            self.label = label
            self.kernel = kernel
            self.initrd = initrd
            self.memoryInBytes = memoryInBytes
            self.vcpuCount = vcpuCount
            self.place = place
        }
    }

    /// A channel; indices are 0-based.
    public struct Channel: Equatable, Sendable {
        /// The name.
        public var name: String
        /// The index of the sending compartment.
        public var from: Int
        /// The index of the receiving compartment.
        public var to: Int
        /// How it carries information.
        public var kind = ChannelKind.signal
        /// Whether `to` sends to `from` as well.
        public var isTwoWay = false
        /// The pages of a ring.
        public var pages: UInt32 = 0
        /// The most messages a second; 0: no bound.
        public var ratePerSecond: UInt64 = 0
        /// Where it is declared.
        public var place: SourceReference

        /// Creates a signal that leads one way.
        public init(name: String, from: Int, to: Int, place: SourceReference) {
            self.name = name
            self.from = from
            self.to = to
            self.place = place
        }
    }

    /// The system's name, from which its id is derived.
    public var systemName: String
    /// The system's version, from 1.
    public var systemVersion: UInt64
    /// SHA-384 of the policy.
    public var policyDigest: Digest384
    /// The source files.
    public var sources: [Source] = []
    /// The labels.
    public var labels: [SecurityContext] = []
    /// The boot modules.
    public var modules: [Module] = []
    /// The compartments.
    public var compartments: [Compartment] = []
    /// The channels.
    public var channels: [Channel] = []
    /// The shared subtrees of the store.
    public var subtrees: [Subtree] = []
    /// The directories of channels.
    public var directories: [Directory] = []
    /// The devices.
    public var devices: [Device] = []
    /// The exemptions.
    public var exemptions: [Exemption] = []
    /// What users may use of the store, in the order of their compartments.
    public var storeQuotas: [StoreQuotaRecord] = []
    /// The codes of the TPM's commands that its service passes on.
    public var tpmCommands: [UInt32] = []
    /// Whether the certificate proves more than `never` without exceptions.
    public var hasFurtherClaims = false
    /// The flow certificate; empty: none.
    public var certificate: [UInt8] = []

    /// Creates a manifest without records.
    public init(systemName: String, systemVersion: UInt64, policyDigest: Digest384) {
        self.systemName = systemName
        self.systemVersion = systemVersion
        self.policyDigest = policyDigest
    }

    /// Returns the id of a system: the first 16 bytes of SHA-384 over `casemate system ` and its
    /// name.
    public static func systemID(of name: String) -> [UInt8] {
        Array(SHA384.hash(Array("casemate system \(name)".utf8).span).array.prefix(16))
    }
}
