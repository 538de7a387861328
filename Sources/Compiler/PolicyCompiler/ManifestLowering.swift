import Digests
import PolicySemantics
import PolicySyntax
import SystemManifest

/// Turns a system's declarations into the records of its manifest.
struct ManifestLowering {
    private let system: SystemPolicy
    private let sources: [String: Int]
    /// Where each module stands, by its digest.
    private var modules: [[UInt8]: Int] = [:]

    /// - Parameter sources: the names of all files, in the order of the manifest's sources.
    init(_ system: SystemPolicy, sources: [String]) {
        self.system = system
        self.sources = Dictionary(
            sources.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Adds everything that the system declares, but labels and certificate.
    ///
    /// - Throws: `.wrongModuleCount`, `.missingSource`, `.moduleUsedTwice`.
    mutating func add(
        to model: inout SystemManifestModel, _ modules: [CompartmentModules]
    ) throws(CompilationError) {
        guard modules.count == system.compartments.count else { throw .wrongModuleCount }
        let ranks = startRanks
        for (index, compartment) in system.compartments.enumerated() {
            let kernel = try add(modules[index].kernel, to: &model)
            var initrd: Int?
            if let module = modules[index].initrd { initrd = try add(module, to: &model) }
            var record = SystemManifestModel.Compartment(
                name: compartment.name, commandLine: compartment.commandLine, label: index,
                kernel: kernel, initrd: initrd, memoryInBytes: compartment.memoryInBytes,
                vcpuCount: compartment.vcpuCount, place: try place(compartment.source))
            record.set(compartment.options)
            record.startRank = ranks[index]
            model.compartments.append(record)
            if let quota = StoreQuotaRecord(compartment.options.storeQuota, of: index) {
                model.storeQuotas.append(quota)
            }
        }
        model.tpmCommands = system.compartments.flatMap(\.options.tpmCommands)
            .flatMap(\.value.codes)
        for channel in system.channels { model.channels.append(try record(channel)) }
        for device in system.further.devices { model.devices.append(try record(device)) }
        for exemption in system.further.exemptions {
            model.exemptions.append(try record(exemption))
        }
        model.hasFurtherClaims = system.assertions.contains { !$0.isPlain }
    }

    /// Adds the subtrees of the store and the directories of channels; their labels stand in this
    /// order after those of the compartments.
    ///
    /// - Throws: `.missingSource`.
    func addStore(
        _ lowered: LoweredPolicy, to model: inout SystemManifestModel
    ) throws(CompilationError) {
        let first = lowered.labels.count
        for (index, subtree) in system.further.subtrees.enumerated() {
            var record = SystemManifestModel.Subtree(
                name: subtree.name, path: subtree.path, label: first + index,
                owner: subtree.owner, readers: Array(subtree.readers.indices),
                writers: Array(subtree.writers.indices), place: try place(subtree.source))
            record.quotaInNodes = subtree.quotaNodes ?? 0
            record.quotaInBytes = subtree.quotaBytes ?? 0
            record.ratePerSecond = subtree.ratePerSecond ?? 0
            model.subtrees.append(record)
        }
        var positions: [SystemPolicy.Edge: Int] = [:]
        for (index, label) in lowered.directoryLabels.enumerated() {
            positions[SystemPolicy.Edge(from: label.writer, to: label.reader)] =
                first + lowered.subtreeLabels.count + index
        }
        for (index, channel) in system.channels.enumerated() {
            for edge in system.links[index].edges {
                guard let label = positions[edge] else { continue }
                let isForward = edge.from == channel.from
                model.directories.append(
                    SystemManifestModel.Directory(
                        path: "/channel/\(channel.name)" + (isForward ? "" : "/back"),
                        channel: index, writer: edge.from, reader: edge.to, label: label))
            }
        }
    }

    /// For each compartment one more than the greatest rank of those that start before it.
    private var startRanks: [UInt32] {
        var ranks = Array(repeating: UInt32(0), count: system.compartments.count)
        // A chain is no longer than there are compartments; it has no cycle (`POL-LIV-002`).
        for _ in ranks.indices {
            var isChanged = false
            for (index, compartment) in system.compartments.enumerated() {
                for other in compartment.options.startsAfter.indices
                where ranks.indices.contains(other) && ranks[index] <= ranks[other] {
                    ranks[index] = ranks[other] + 1
                    isChanged = true
                }
            }
            if !isChanged { break }
        }
        return ranks
    }

    private mutating func add(
        _ module: SystemManifestModel.Module, to model: inout SystemManifestModel
    ) throws(CompilationError) -> Int {
        if let known = modules[module.digest.array] {
            guard model.modules[known].kind == module.kind else {
                throw .moduleUsedTwice(module.name)
            }
            return known
        }
        modules[module.digest.array] = model.modules.count
        model.modules.append(module)
        return model.modules.count - 1
    }

    private func place(_ span: SourceSpan) throws(CompilationError) -> SourceReference {
        guard let source = sources[span.file] else { throw .missingSource(span.file) }
        return SourceReference(source: source, line: span.line, column: span.column)
    }

    // MARK: Records

    private func record(
        _ channel: SystemPolicy.Channel
    ) throws(CompilationError) -> SystemManifestModel.Channel {
        var record = SystemManifestModel.Channel(
            name: channel.name, from: channel.from, to: channel.to,
            place: try place(channel.source))
        record.kind =
            switch channel.kind {
            case .signal: .signal
            case .ring: .ring
            case .store: .store
            case .block: .block
            case .net: .network
            }
        record.isTwoWay = channel.isTwoWay
        record.pages = channel.pages
        record.ratePerSecond = channel.ratePerSecond ?? 0
        return record
    }

    private func record(
        _ device: SystemPolicy.Device
    ) throws(CompilationError) -> SystemManifestModel.Device {
        let interrupts = device.interrupts.map {
            SystemManifestModel.DeviceRange(kind: .interrupt, first: $0, last: $0)
        }
        let ports = device.ports.map {
            SystemManifestModel.DeviceRange(kind: .ports, first: $0.first, last: $0.last)
        }
        let memory = device.memory.map {
            SystemManifestModel.DeviceRange(kind: .memory, first: $0.first, last: $0.last)
        }
        return SystemManifestModel.Device(
            name: device.name, owner: device.owner, needsIOMMU: device.needsIOMMU,
            pciAddress: device.pciAddress, ranges: interrupts + ports + memory,
            place: try place(device.source))
    }

    private func record(
        _ exemption: SystemPolicy.Exemption
    ) throws(CompilationError) -> SystemManifestModel.Exemption {
        SystemManifestModel.Exemption(
            subject: exemption.subject, from: link(exemption.from), to: link(exemption.to),
            reason: exemption.reason, place: try place(exemption.source))
    }

    private func link(_ index: Int) -> ExemptionLink {
        let link = system.links[index]
        switch link.kind {
        case .channel(let channel): return .channel(channel)
        case .use(let service):
            return .use(ServiceKind(service), by: link.edges.first?.from ?? 0)
        case .subtree(let subtree): return .subtree(subtree)
        }
    }
}

extension StoreQuotaRecord {
    /// What the source says of a compartment's use of the store; nil when that is nothing.
    fileprivate init?(_ quota: SystemPolicy.Compartment.StoreQuota, of compartment: Int) {
        guard !quota.bounds.isEmpty else { return nil }
        self.init(compartment: compartment)
        nodes = UInt32(clamping: quota.nodes?.value ?? 0)
        nodeSizeInBytes = UInt32(clamping: quota.nodeSizeInBytes?.value ?? 0)
        watches = UInt32(clamping: quota.watches?.value ?? 0)
        transactions = UInt32(clamping: quota.transactions?.value ?? 0)
        requests = UInt32(clamping: quota.requests?.value ?? 0)
        requestsPerSecond = UInt32(clamping: quota.requestsPerSecond?.value ?? 0)
        memoryInBytes = quota.memoryInBytes?.value ?? 0
    }
}

extension SystemManifestModel.Compartment {
    /// Takes over what the source says of a compartment.
    fileprivate mutating func set(_ options: SystemPolicy.Compartment.Options) {
        startsAutomatically = options.startsAutomatically
        hasConsole = options.consoleNoneSource == nil
        service = options.service.map { ServiceKind($0) }
        uses = options.uses.map { ServiceKind($0.service) }
        mayLoadPolicy = options.powers.contains { $0.power == .loadPolicy }
        mayRelabel = options.powers.contains { $0.power == .relabel }
        restartLimit = UInt32(clamping: options.restartLimit?.value ?? 0)
        integrityRank = UInt32(clamping: options.integrity)
        switch options.schedule?.value {
        case .none: schedule = .automatic
        case .fixed(let slot): schedule = .fixed(slotInMicroseconds: UInt32(clamping: slot))
        case .fair(let weight, let cap):
            schedule = .fair(
                weight: UInt32(clamping: weight), capInPercent: UInt32(clamping: cap ?? 0))
        }
    }
}

extension ServiceKind {
    /// The kind of a declared service.
    init(_ service: SystemPolicy.Service) {
        switch service {
        case .store: self = .store
        case .console: self = .console
        case .control: self = .control
        case .tpm: self = .tpm
        case .audit: self = .audit
        }
    }
}

extension SystemPolicy.Assertion {
    /// Whether it claims `never` without exceptions.
    var isPlain: Bool {
        if case .never(let via) = claim { return via.isEmpty }
        return false
    }
}

extension SystemPolicy.Device {
    /// Segment, bus, device and function in 16, 8, 5 and 3 bits; nil: no PCI function.
    var pciAddress: UInt32? {
        guard let pci else { return nil }
        let parts = pci.split(whereSeparator: { ":.".contains($0) }).compactMap {
            UInt32($0, radix: 16)
        }
        guard parts.count == 4 else { return nil }
        return parts[0] << 16 | parts[1] << 8 | parts[2] << 3 | parts[3]
    }
}
