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
    /// The declared assertions. May be empty.
    public let assertions: [Assertion]
    /// Where the `system` statement stands.
    public let source: SourceSpan

    /// Creates a policy from its parts, which must keep the type's invariants.
    public init(
        name: String, version: UInt64, target: Target, sensitivities: [NamedSensitivity],
        categories: [NamedCategory], compartments: [Compartment], channels: [Channel],
        assertions: [Assertion], source: SourceSpan
    ) {
        self.name = name
        self.version = version
        self.target = target
        self.sensitivities = sensitivities
        self.categories = categories
        self.compartments = compartments
        self.channels = channels
        self.assertions = assertions
        self.source = source
    }
}

extension SystemPolicy {
    /// Who enforces the policy.
    public enum Target: String, Equatable, Sendable, CaseIterable {
        /// Casemate's own hypervisor.
        case casemate
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
        /// Where the compartment's name is declared.
        public let source: SourceSpan

        /// Creates a compartment.
        public init(
            name: String, range: SecurityRange, kernel: Kernel, initrd: String?,
            commandLine: String, memoryInBytes: UInt64, vcpuCount: UInt32, source: SourceSpan
        ) {
            self.name = name
            self.range = range
            self.kernel = kernel
            self.initrd = initrd
            self.commandLine = commandLine
            self.memoryInBytes = memoryInBytes
            self.vcpuCount = vcpuCount
            self.source = source
        }
    }

    /// A declared one-way link between two compartments.
    public struct Channel: Equatable, Sendable {
        /// What realises a channel.
        public enum Kind: String, Equatable, Sendable, CaseIterable {
            /// An event channel that only the `from` end may signal.
            case signal
        }

        /// The name in the source; distinct among channels.
        public let name: String
        /// Index of the compartment that sends.
        public let from: Int
        /// Index of the compartment that receives; differs from `from`.
        public let to: Int
        /// What realises the channel.
        public let kind: Kind
        /// Where the channel's name is declared.
        public let source: SourceSpan

        /// Creates a channel.
        public init(name: String, from: Int, to: Int, kind: Kind, source: SourceSpan) {
            self.name = name
            self.from = from
            self.to = to
            self.kind = kind
            self.source = source
        }
    }

    /// `assert never from -> to`: no information of `from` ever comes to `to`, by any way.
    public struct Assertion: Equatable, Sendable {
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

        /// Whose information it is about.
        public let from: Operand
        /// Who must not come to know it.
        public let to: Operand
        /// Where the whole statement stands.
        public let source: SourceSpan

        /// Creates an assertion.
        public init(from: Operand, to: Operand, source: SourceSpan) {
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
