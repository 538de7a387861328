public import PolicySyntax

extension SystemPolicy {
    /// What a service does for the compartments that use it; the raw value is its name.
    public enum Service: String, Equatable, Sendable, CaseIterable {
        /// Keeps named values, and tells of changes to them.
        case store
        /// Carries what compartments print, and what is typed to them.
        case console
        /// Carries orders from outside the machine.
        case control
        /// Gives the machine's TPM to those that may use it.
        case tpm
        /// Collects records of what was refused.
        case audit

        /// The place among the services, by which the uses of a compartment are ordered.
        var rank: Int { SystemPolicy.Service.allCases.firstIndex(of: self) ?? 0 }

        /// Whether the service sends nothing back to those that use it.
        public var isOneWay: Bool { self == .audit }
    }

    /// One way from a compartment to another.
    public struct Edge: Hashable, Sendable {
        /// Index of the compartment that information comes from.
        public let from: Int
        /// Index of the compartment that it comes to.
        public let to: Int

        /// Creates an edge.
        public init(from: Int, to: Int) {
            self.from = from
            self.to = to
        }
    }

    /// Something that carries information between compartments: a node of no graph, but its edges.
    public struct Link: Equatable, Sendable {
        /// What the link is.
        public enum Kind: Equatable, Sendable {
            /// A declared channel, by its index.
            case channel(Int)
            /// The use of a service.
            case use(Service)
            /// A subtree of the store, by its index.
            case subtree(Int)
        }

        /// The name in the source: of the channel or subtree, or `compartment.service`.
        public let name: String
        /// What the link is.
        public let kind: Kind
        /// Where it leads.
        public let edges: [Edge]
        /// Where it is declared.
        public let source: SourceSpan
    }

    /// Returns everything that carries information: channels first, in the order of the policy.
    ///
    /// - Postcondition: the link of channel *n* has index *n*.
    static func links(
        _ compartments: [Compartment], _ channels: [Channel], _ subtrees: [Subtree]
    ) -> [Link] {
        var links = channels.enumerated().map { index, channel in
            let there = Edge(from: channel.from, to: channel.to)
            let back = Edge(from: channel.to, to: channel.from)
            return Link(
                name: channel.name, kind: .channel(index),
                edges: channel.isTwoWay ? [there, back] : [there], source: channel.source)
        }
        for (user, compartment) in compartments.enumerated() {
            for use in compartment.uses.sorted(by: { $0.service.rank < $1.service.rank }) {
                let there = Edge(from: user, to: use.provider)
                let back = Edge(from: use.provider, to: user)
                links.append(
                    Link(
                        name: "\(compartment.name).\(use.service.rawValue)",
                        kind: .use(use.service),
                        edges: use.service.isOneWay ? [there] : [there, back],
                        source: use.source))
            }
        }
        for (index, subtree) in subtrees.enumerated() {
            let edges = subtree.writers.indices.flatMap { writer in
                subtree.readers.removing(writer).indices.map { Edge(from: writer, to: $0) }
            }
            links.append(
                Link(
                    name: subtree.name, kind: .subtree(index), edges: edges,
                    source: subtree.source))
        }
        return links
    }

    /// A subtree of the store that several compartments share.
    public struct Subtree: Equatable, Sendable {
        /// The name in the source; distinct among channels and subtrees.
        public let name: String
        /// The path; begins with `/`.
        public let path: String
        /// Index of the compartment that may set who reads and writes.
        public let owner: Int
        /// Who may read; the owner included.
        public let readers: CompartmentSet
        /// Who may write; the owner included.
        public let writers: CompartmentSet
        /// The most nodes; nil: the service's own bound.
        public let quotaNodes: UInt64?
        /// The most bytes; nil: the service's own bound.
        public let quotaBytes: UInt64?
        /// The most writes a second; nil: no bound.
        public let ratePerSecond: UInt64?
        /// Where the name is declared.
        public let source: SourceSpan
    }

    /// A piece of hardware that one compartment has for itself.
    public struct Device: Equatable, Sendable {
        /// A piece of an address space, both ends included.
        public struct Range: Equatable, Sendable {
            /// The first address.
            public let first: UInt64
            /// The last one.
            public let last: UInt64

            /// Returns whether the two have an address in common.
            public func overlaps(_ other: Range) -> Bool {
                first <= other.last && other.first <= last
            }
        }

        /// The name in the source; distinct among devices.
        public let name: String
        /// Index of the compartment that has it.
        public let owner: Int
        /// The PCI function, `segment:bus:device.function`; nil for none.
        public let pci: String?
        /// The interrupt lines.
        public let interrupts: [UInt64]
        /// The memory that the device decodes.
        public let memory: [Range]
        /// The I/O ports that the device decodes.
        public let ports: [Range]
        /// Whether it may run only behind an IOMMU.
        public let needsIOMMU: Bool
        /// Where the name is declared.
        public let source: SourceSpan
    }

    /// A compartment may pass on what comes in by one link to another, against the levels.
    public struct Exemption: Equatable, Sendable {
        /// Index of the exempt compartment.
        public let subject: Int
        /// Index of the link where the information comes in.
        public let from: Int
        /// Index of the link where it may go out.
        public let to: Int
        /// Why this is right.
        public let reason: String
        /// Where the statement stands.
        public let source: SourceSpan

        /// Creates an exemption.
        public init(subject: Int, from: Int, to: Int, reason: String, source: SourceSpan) {
            self.subject = subject
            self.from = from
            self.to = to
            self.reason = reason
            self.source = source
        }
    }

    /// Compartments of which none may know of another: a Chinese Wall.
    public struct Conflict: Equatable, Sendable {
        /// The name in the source; distinct among conflicts.
        public let name: String
        /// The compartments.
        public let members: CompartmentSet
        /// Where the name is declared.
        public let source: SourceSpan
    }

    /// `assert only … may …`: nobody else may do it.
    public struct PowerAssertion: Equatable, Sendable {
        /// What it is about.
        public let power: Power
        /// Who may.
        public let holders: CompartmentSet
        /// Where the statement stands.
        public let source: SourceSpan
    }
}

extension SystemPolicy.Compartment {
    /// The use of a service.
    public struct Use: Equatable, Sendable {
        /// What is used.
        public let service: SystemPolicy.Service
        /// Index of the compartment that provides it.
        public let provider: Int
        /// Where the service is named.
        public let source: SourceSpan
    }

    /// When a compartment runs.
    public enum Schedule: Equatable, Sendable {
        /// Always at the same time of a frame, for `slotInMicroseconds`.
        case fixed(slotInMicroseconds: UInt64)
        /// As its weight says among those that want to run, at most `capInPercent` of a CPU.
        case fair(weight: UInt64, capInPercent: UInt64?)
    }

    /// A power over the policy, and where it is given.
    public struct Grant: Equatable, Sendable {
        /// What the compartment may do.
        public let power: Power
        /// Where that is said.
        public let source: SourceSpan
    }

    /// What a compartment may use of the store, each with its place; nil: what the store gives to
    /// everybody.
    public struct StoreQuota: Equatable, Sendable {
        /// Nodes that it owns.
        public var nodes: Located<UInt64>?
        /// Bytes of names, values, watches, transactions and waiting events.
        public var memoryInBytes: Located<UInt64>?
        /// The size below which a node stays, in bytes.
        public var nodeSizeInBytes: Located<UInt64>?
        /// Watches.
        public var watches: Located<UInt64>?
        /// Open transactions.
        public var transactions: Located<UInt64>?
        /// Requests whose replies it has not taken.
        public var requests: Located<UInt64>?
        /// Requests a second.
        public var requestsPerSecond: Located<UInt64>?

        /// Creates a quota that says nothing.
        public init() {}

        /// Each bound with its words, in the order of the manifest.
        public var bounds: [(text: String, bound: Located<UInt64>)] {
            let all: [(String, Located<UInt64>?)] = [
                ("nodes", nodes), ("bytes", memoryInBytes), ("bytes per node", nodeSizeInBytes),
                ("watches", watches), ("transactions", transactions), ("requests", requests),
                ("per second", requestsPerSecond),
            ]
            return all.compactMap { text, bound in bound.map { (text, $0) } }
        }
    }

    /// What a compartment may leave out; every member has a meaning when it is.
    public struct Options: Equatable, Sendable {
        /// What it provides to others; nil for a compartment that is no service.
        public var service: SystemPolicy.Service?
        /// The index of its integrity; 0 when the system declares none.
        public var integrity = 0
        /// When it runs; nil: as the target does without a word.
        public var schedule: Located<Schedule>?
        /// Whether it starts with the machine.
        public var startsAutomatically = true
        /// Indices of the compartments that start before it.
        public var startsAfter = CompartmentSet()
        /// Where `start` stands; nil when not said.
        public var startSource: SourceSpan?
        /// How often it is started again after it failed.
        public var restartLimit: Located<UInt64>?
        /// Where `console none` stands; nil: it has the target's console.
        public var consoleNoneSource: SourceSpan?
        /// The services that it uses.
        public var uses: [Use] = []
        /// What it may use of the store.
        public var storeQuota = StoreQuota()
        /// Of the service `tpm`, the commands that it passes on, in the order of their names.
        public var tpmCommands: [Located<TPMCommand>] = []
        /// What it may do to the policy.
        public var powers: [Grant] = []

        /// Creates the options of a compartment that says nothing.
        public init() {}
    }

    /// Whether it may load another policy.
    public var mayLoadPolicy: Bool { options.powers.contains { $0.power == .loadPolicy } }
    /// Whether it may give things another label.
    public var mayRelabel: Bool { options.powers.contains { $0.power == .relabel } }

    /// The services that the compartment uses.
    public var uses: [Use] { options.uses }
}
