public import PolicySyntax
public import SecurityLattice

/// One system with every name resolved: what the checks prove and the compiler lowers.
///
/// The value is closed: whatever refers to a compartment, a sensitivity or a category does so by
/// index, and `Resolver` is the only producer that reads text. It says what was declared, not that
/// it is safe: only `PolicyChecks` says that.
///
/// - Invariant: (indices) sensitivity *n* of a level is `sensitivities[n]`, category *n* is
///   `categories[n]`, compartment index *n* is `compartments[n]`; all are within bounds.
/// - Invariant: (order) arrays stand in the order of declaration, sensitivities lowest first.
/// - Invariant: (limits) the bounds of `SystemLimits` hold.
public struct SystemPolicy: Equatable, Sendable {
    /// The system's name, from which the manifest derives its id.
    public let name: String
    /// The system's version, at least 1; it rises with every release.
    public let version: UInt64
    /// The machine that is to enforce the policy.
    public let target: Target
    /// The declared sensitivities, lowest first; the index is `Sensitivity.rank`. At least one.
    public let sensitivities: [NamedSensitivity]
    /// The declared categories; the index is `Category.index`. May be empty.
    public let categories: [NamedCategory]
    /// The declared compartments. At least one.
    public let compartments: [Compartment]
    /// The declared channels. May be empty.
    public let channels: [Channel]
    /// The declared assertions about flows. May be empty.
    public let assertions: [Assertion]
    /// What else the source declares.
    public let further: Further
    /// Everything that carries information; channel *n* is link *n*.
    public let links: [Link]
    /// Where the `system` statement stands.
    public let source: SourceSpan

    /// Creates a policy from its parts, which must keep the type's invariants.
    public init(
        name: String, version: UInt64, target: Target, sensitivities: [NamedSensitivity],
        categories: [NamedCategory], compartments: [Compartment], channels: [Channel],
        assertions: [Assertion], further: Further = Further(), source: SourceSpan
    ) {
        self.name = name
        self.version = version
        self.target = target
        self.sensitivities = sensitivities
        self.categories = categories
        self.compartments = compartments
        self.channels = channels
        self.assertions = assertions
        self.further = further
        links = SystemPolicy.links(compartments, channels, further.subtrees)
        self.source = source
    }

    /// Declarations that a system may leave out.
    public struct Further: Equatable, Sendable {
        /// The declared integrities, lowest first. May be empty.
        public var integrities: [NamedSensitivity] = []
        /// The shared subtrees of the store.
        public var subtrees: [Subtree] = []
        /// The devices.
        public var devices: [Device] = []
        /// The exemptions.
        public var exemptions: [Exemption] = []
        /// The conflicts of interest.
        public var conflicts: [Conflict] = []
        /// Where modules are imported.
        public var imports: [SourceSpan] = []
        /// The targets that the source lists, of which the first is the system's.
        public var targets: [TargetStatement] = []
        /// The version of the target: one of `Target.xenVersions` for Xen, nil for Casemate.
        public var targetVersion: String?
        /// Who may change the policy.
        public var powerAssertions: [PowerAssertion] = []

        /// Creates what a system has that declares none of them.
        public init() {}
    }
}

extension SystemPolicy {
    /// Who enforces the policy.
    public enum Target: String, Equatable, Sendable, CaseIterable {
        /// Casemate's own hypervisor.
        case casemate
        /// Xen with its FLASK security module, in one of `xenVersions`.
        case xen
    }

    /// A target that the source lists.
    public struct TargetStatement: Equatable, Sendable {
        /// The machine.
        public let target: Target
        /// Its version: one of `Target.xenVersions` for Xen, nil for Casemate.
        public let version: String?
        /// Where it is named.
        public let source: SourceSpan

        /// Creates a statement.
        public init(target: Target, version: String?, source: SourceSpan) {
            self.target = target
            self.version = version
            self.source = source
        }
    }

    /// A sensitivity and its declaration.
    public struct NamedSensitivity: Equatable, Sendable {
        /// The name in the source.
        public let name: String
        /// Where the name is declared.
        public let source: SourceSpan

        /// Creates a named sensitivity.
        public init(name: String, source: SourceSpan) {
            self.name = name
            self.source = source
        }
    }

    /// A category and its declaration.
    public struct NamedCategory: Equatable, Sendable {
        /// The name in the source.
        public let name: String
        /// Where the name is declared.
        public let source: SourceSpan

        /// Creates a named category.
        public init(name: String, source: SourceSpan) {
            self.name = name
            self.source = source
        }
    }

    /// A kernel or an initial file system that a compartment starts from.
    public enum Kernel: Equatable, Sendable {
        /// `kernel debian`: the Debian kernel that `build` finds and `system.lock` pins.
        case debian
        /// `kernel "name"`: a file named relative to the system's folder.
        case file(String)
    }

    /// What one domain is to run, and how sensitive it is.
    public struct Compartment: Equatable, Sendable {
        /// The name in the source; distinct among compartments and sensitivities.
        public let name: String
        /// The levels that the compartment works at.
        public let range: SecurityRange
        /// The kernel to start.
        public let kernel: Kernel
        /// The initial file system: a file named relative to the system's folder; nil: none.
        public let initrd: String?
        /// The kernel's command line; may be empty. At most `SystemLimits.commandLineBytes`.
        public let commandLine: String
        /// Memory, a multiple of 4 KiB from 32 MiB to 64 GiB.
        public let memoryInBytes: UInt64
        /// The number of virtual processors, 1 to 8.
        public let vcpuCount: UInt32
        /// What the compartment may leave out.
        public let options: Options
        /// Where the compartment's name is declared.
        public let source: SourceSpan

        /// Creates a compartment.
        public init(
            name: String, range: SecurityRange, kernel: Kernel, initrd: String?,
            commandLine: String, memoryInBytes: UInt64, vcpuCount: UInt32,
            options: Options = Options(), source: SourceSpan
        ) {
            self.name = name
            self.range = range
            self.kernel = kernel
            self.initrd = initrd
            self.commandLine = commandLine
            self.memoryInBytes = memoryInBytes
            self.vcpuCount = vcpuCount
            self.options = options
            self.source = source
        }
    }

    /// A declared channel between two compartments.
    public struct Channel: Equatable, Sendable {
        /// What realises a channel.
        public enum Kind: String, Equatable, Sendable, CaseIterable {
            /// An event channel that only the `from` end may signal.
            case signal
            /// Shared pages that the `from` end writes, and an event channel.
            case ring
            /// A directory of the store that the `from` end writes.
            case store
            /// A block device that the `from` end fills and the `to` end reads.
            case block
            /// A network between the two ends.
            case net
        }

        /// The name in the source; distinct among channels.
        public let name: String
        /// Index of the compartment that sends.
        public let from: Int
        /// Index of the compartment that receives; differs from `from`.
        public let to: Int
        /// Whether `to` sends to `from` as well.
        public let isTwoWay: Bool
        /// What realises the channel.
        public let kind: Kind
        /// The number of pages of a ring; 0 for the other kinds.
        public let pages: UInt32
        /// The most messages a second; nil: no bound.
        public let ratePerSecond: UInt64?
        /// Where the channel's name is declared.
        public let source: SourceSpan

        /// Creates a channel.
        public init(
            name: String, from: Int, to: Int, isTwoWay: Bool = false, kind: Kind,
            pages: UInt32 = 0, ratePerSecond: UInt64? = nil, source: SourceSpan
        ) {
            self.name = name
            self.from = from
            self.to = to
            self.isTwoWay = isTwoWay
            self.kind = kind
            self.pages = pages
            self.ratePerSecond = ratePerSecond
            self.source = source
        }
    }

    /// A claim about the flows from one side to another.
    public struct Assertion: Equatable, Sendable {
        /// What is claimed.
        public enum Claim: Equatable, Sendable {
            /// No information of `from` ever comes to `to`, except by way of one of these.
            case never(via: CompartmentSet)
            /// Information of `from` comes to `to` by way of one of these, and by no other.
            case everyPath(passes: CompartmentSet)
            /// Information of `from` comes to `to` by one of these links, and by no other.
            case control(through: [Int])
        }

        /// One side of an assertion: what stands in the source, and whom it names.
        public struct Operand: Equatable, Sendable {
            /// The operand in the source's words: a compartment or a level.
            public let text: String
            /// The compartments that it names.
            public let compartments: CompartmentSet
            /// Where it stands.
            public let source: SourceSpan

            /// Creates an operand.
            public init(text: String, compartments: CompartmentSet, source: SourceSpan) {
                self.text = text
                self.compartments = compartments
                self.source = source
            }
        }

        /// What is claimed.
        public let claim: Claim
        /// Whose information it is about.
        public let from: Operand
        /// To whom it may come.
        public let to: Operand
        /// Where the whole statement stands.
        public let source: SourceSpan

        /// Creates an assertion.
        public init(
            claim: Claim = .never(via: CompartmentSet()), from: Operand, to: Operand,
            source: SourceSpan
        ) {
            self.claim = claim
            self.from = from
            self.to = to
            self.source = source
        }
    }
}

extension SystemPolicy {
    /// Returns a level in the source's words, such as `secret:crypto,nuclear`.
    ///
    /// A sensitivity or category without a name is shown by its number, so that a policy that was
    /// not made by `Resolver` can be printed too.
    public func describe(_ level: SecurityLevel) -> String {
        let rank = Int(level.sensitivity.rank)
        var text = rank < sensitivities.count ? sensitivities[rank].name : "#\(rank)"
        var separator = ":"
        var next = level.categories.first(from: 0)
        while let category = next {
            let index = Int(category.index)
            text += separator + (index < categories.count ? categories[index].name : "#\(index)")
            separator = ","
            next = level.categories.first(from: index + 1)
        }
        return text
    }

    /// Returns a range in the source's words: one level, or `low..high`.
    public func describe(_ range: SecurityRange) -> String {
        range.isSingleLevel
            ? describe(range.low) : "\(describe(range.low))..\(describe(range.high))"
    }
}
