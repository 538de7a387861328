public import SystemManifest

/// What a manifest says of the store, of devices and of exemptions; indices are 0-based.
extension SystemManifestModel {
    /// A subtree of the store that several compartments share.
    public struct Subtree: Equatable, Sendable {
        /// The name.
        public var name: String
        /// The absolute path of its topmost node.
        public var path: String
        /// The index of the label of its nodes.
        public var label: Int
        /// The index of the compartment that sets permissions.
        public var owner: Int
        /// The indices of those that read, the owner among them.
        public var readers: [Int]
        /// The indices of those that write, the owner among them.
        public var writers: [Int]
        /// The most nodes; 0: the store's own bound.
        public var quotaInNodes: UInt64 = 0
        /// The most bytes; 0: the store's own bound.
        public var quotaInBytes: UInt64 = 0
        /// The most writes a second; 0: no bound.
        public var ratePerSecond: UInt64 = 0
        /// Where it is declared.
        public var place: SourceReference

        /// Creates a subtree without quotas.
        public init(
            name: String, path: String, label: Int, owner: Int, readers: [Int], writers: [Int],
            place: SourceReference
        ) {
            self.name = name
            self.path = path
            self.label = label
            self.owner = owner
            self.readers = readers
            self.writers = writers
            self.place = place
        }
    }

    /// Where one end of a channel leaves what the other needs to find it.
    public struct Directory: Equatable, Sendable {
        /// The absolute path.
        public var path: String
        /// The index of the channel.
        public var channel: Int
        /// The index of the compartment that writes.
        public var writer: Int
        /// The index of the compartment that reads.
        public var reader: Int
        /// The index of the label of its nodes.
        public var label: Int

        /// Creates a directory.
        public init(path: String, channel: Int, writer: Int, reader: Int, label: Int) {
            self.path = path
            self.channel = channel
            self.writer = writer
            self.reader = reader
            self.label = label
        }
    }

    /// A piece of hardware that one compartment has for itself.
    public struct Device: Equatable, Sendable {
        /// The name.
        public var name: String
        /// The index of the compartment that has it.
        public var owner: Int
        /// Whether it may run only behind an IOMMU.
        public var needsIOMMU: Bool
        /// Segment, bus, device and function; nil: no PCI function.
        public var pciAddress: UInt32?
        /// What it decodes.
        public var ranges: [DeviceRange]
        /// Where it is declared.
        public var place: SourceReference

        /// Creates a device.
        public init(
            name: String, owner: Int, needsIOMMU: Bool, pciAddress: UInt32?,
            ranges: [DeviceRange], place: SourceReference
        ) {
            self.name = name
            self.owner = owner
            self.needsIOMMU = needsIOMMU
            self.pciAddress = pciAddress
            self.ranges = ranges
            self.place = place
        }
    }

    /// A part of an address space, both ends included.
    public struct DeviceRange: Equatable, Sendable {
        /// What it is.
        public var kind: DeviceRangeKind
        /// The first number or address.
        public var first: UInt64
        /// The last one.
        public var last: UInt64

        /// Creates a range.
        public init(kind: DeviceRangeKind, first: UInt64, last: UInt64) {
            self.kind = kind
            self.first = first
            self.last = last
        }
    }

    /// A compartment may pass on what comes in by one link to another.
    public struct Exemption: Equatable, Sendable {
        /// The index of the exempt compartment.
        public var subject: Int
        /// Where the information comes in.
        public var from: ExemptionLink
        /// Where it may go out.
        public var to: ExemptionLink
        /// Why this is right.
        public var reason: String
        /// Where it is declared.
        public var place: SourceReference

        /// Creates an exemption.
        public init(
            subject: Int, from: ExemptionLink, to: ExemptionLink, reason: String,
            place: SourceReference
        ) {
            self.subject = subject
            self.from = from
            self.to = to
            self.reason = reason
            self.place = place
        }
    }

    /// The required features: what the records call for, and what the certificate does.
    public var requiredFeatures: UInt64 {
        var features: UInt64 = certificate.isEmpty ? 0 : ManifestFeature.certificate
        if hasFurtherClaims { features |= ManifestFeature.furtherClaims }
        if !exemptions.isEmpty { features |= ManifestFeature.exemptions }
        if !subtrees.isEmpty { features |= ManifestFeature.storeSubtrees }
        if !storeQuotas.isEmpty { features |= ManifestFeature.storeQuotas }
        if subtrees.contains(where: { $0.ratePerSecond > 0 }) { features |= ManifestFeature.rates }
        for range in devices.flatMap(\.ranges) {
            switch range.kind {
            case .ports: features |= ManifestFeature.devices
            case .interrupt, .memory: features |= ManifestFeature.interruptsAndMemory
            }
        }
        if devices.contains(where: { $0.pciAddress != nil }) {
            features |= ManifestFeature.pciDevices
        }
        for compartment in compartments { features |= compartment.requiredFeatures }
        for channel in channels { features |= channel.requiredFeatures }
        return features
    }
}

extension SystemManifestModel.Compartment {
    fileprivate var requiredFeatures: UInt64 {
        var features: UInt64 = 0
        for service in uses + (service.map { [$0] } ?? []) { features |= service.feature }
        if memoryInBytes > ordinaryMemorySize { features |= ManifestFeature.largeMemory }
        if !startsAutomatically { features |= ManifestFeature.manualStart }
        if !hasConsole { features |= ManifestFeature.noConsole }
        if mayLoadPolicy { features |= ManifestFeature.policyLoading }
        if mayRelabel { features |= ManifestFeature.relabelling }
        if restartLimit > 0 { features |= ManifestFeature.restart }
        if startRank > 0 { features |= ManifestFeature.startOrder }
        if integrityRank > 0 { features |= ManifestFeature.integrity }
        switch schedule {
        case .automatic: break
        case .fixed: features |= ManifestFeature.fixedSchedule
        case .fair: features |= ManifestFeature.fairSchedule
        }
        return features
    }
}

extension SystemManifestModel.Channel {
    fileprivate var requiredFeatures: UInt64 {
        let rate = ratePerSecond > 0 ? ManifestFeature.rates : 0
        switch kind {
        case .signal: return rate | (isTwoWay ? ManifestFeature.twoWaySignals : 0)
        case .ring: return rate | ManifestFeature.rings
        case .store: return rate | ManifestFeature.storeChannels
        case .block: return rate | ManifestFeature.blockChannels
        case .network: return rate | ManifestFeature.networkChannels
        }
    }
}

extension ServiceKind {
    /// The feature of a system that has the service.
    fileprivate var feature: UInt64 {
        switch self {
        case .store: ManifestFeature.storeService
        case .console: ManifestFeature.consoleService
        case .control: ManifestFeature.controlService
        case .tpm: ManifestFeature.tpmService
        case .audit: ManifestFeature.auditService
        }
    }
}
