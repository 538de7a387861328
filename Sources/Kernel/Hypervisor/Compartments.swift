#if hasFeature(Embedded)

    import BootArena
    import Digests
    import EventLog
    import FlowCertificate
    import HypervisorCore
    import MachineX86
    import PolicyDatabase
    import ReferenceMonitor
    import SecurityLattice
    import SystemManifest
    import TPMDevice

    /// Hashes every module once, measures every compartment, and only then compares: a module that
    /// is not the one promised is in the quote before the machine stops for it.
    ///
    /// - Throws: `.moduleCountDiffers`, `.measurement`, `.moduleDiffers`.
    func measureCompartments(
        _ manifest: borrowing SystemManifest, _ bundle: borrowing BootBundle,
        _ bytes: Span<UInt8>, _ platform: inout Platform, _ recorder: inout Recorder
    ) throws(StopReason) {
        guard bundle.moduleCount == manifest.moduleCount else { throw .moduleCountDiffers }
        var digests = InlineArray<64, Digest384>(repeating: .zero)
        var differing: Int?
        for index in 0..<manifest.moduleCount {
            guard let member = bundle.module(at: index) else { throw .moduleCountDiffers }
            digests[index] = SHA384.hash(bytes.extracting(member))
            let promised = manifest.module(at: index)
            let isPromised =
                promised.digest == digests[index] && promised.sizeInBytes == UInt64(member.size)
            if !isPromised, differing == nil { differing = index }
        }
        for index in 0..<manifest.compartmentCount {
            let compartment = manifest.compartment(at: index)
            let initrd: Digest384? = compartment.initrd.map { digests[$0] }
            try measure(
                CompartmentMeasurement(
                    name: compartment.name, domainID: UInt32(compartment.domainID),
                    label: manifest.labelBytes(at: compartment.label),
                    kernel: digests[compartment.kernel], initrd: initrd,
                    commandLine: compartment.commandLine,
                    memoryInBytes: compartment.memorySizeInBytes,
                    vcpuCount: UInt32(compartment.virtualCPUCount)), &recorder)
        }
        platform.console.line("measurement: PCR 12 and 13 extended")
        if let differing {
            let name = manifest.module(at: differing).name
            platform.console.say("module differs from the manifest: \(name)", .error)
            throw .moduleDiffers
        }
    }

    /// What runs: the domains with the monitor, and their spaces and virtual processors.
    struct System: ~Copyable {
        var core: HypervisorCore
        var spaces: ArenaTable<GuestSpace>
        var guests: ArenaTable<Guest>
        /// What it takes to replace the policy; nil: nobody may.
        let reload: ReloadReserve?
    }

    /// Builds every compartment, and gives it its devices.
    ///
    /// - Throws: `.arena`, `.machine`, `.deviceReserved`, `.deviceForbidden`.
    func buildSystem(
        _ policy: borrowing PolicyDatabase, policySize: Int, _ manifest: borrowing SystemManifest,
        _ bundle: borrowing BootBundle,
        monitor: consuming ReferenceMonitor, _ arena: inout BootArena,
        _ platform: inout Platform
    ) throws(StopReason) -> System {
        let count = manifest.compartmentCount
        var processorCount = 0
        for index in 0..<count {
            processorCount += manifest.compartment(at: index).virtualCPUCount
        }
        var next = try reserveCompartment(0, manifest, bundle, monitor, at: 0, &platform)
        var domains = try reserveTable(count: count, repeating: next.domain, in: &arena)
        var spaces = try reserveTable(count: count, repeating: next.space, in: &arena)
        var processor = try reserveProcessor(0, next.space, &platform)
        var guests = try reserveTable(count: processorCount, repeating: processor, in: &arena)
        var place = 0
        for index in 0..<count {
            if index > 0 {
                next = try reserveCompartment(
                    index, manifest, bundle, monitor, at: place, &platform)
            }
            domains[index] = next.domain
            spaces[index] = next.space
            let entry = try load(index, manifest, bundle, platform.bundle.address, &spaces)
            for number in 0..<next.domain.cpuCount {
                if place > 0 { processor = try reserveProcessor(number, next.space, &platform) }
                GuestBuilder.reset(&processor, entry: entry, spaces[index], platform.processor)
                guests[place] = processor
                place += 1
            }
        }
        var core = try makeCore(domains, monitor, spaces, manifest, &arena)
        arena.seal()
        try assignDevices(manifest, &core, &spaces)
        let reload = try reserveReload(
            &core, policy, manifest, policySize: policySize, &platform.memory)
        return System(core: core, spaces: spaces, guests: guests, reload: reload)
    }

    /// The core with its tables, and with the bounds that the manifest sets.
    ///
    /// - Throws: `.arena`.
    private func makeCore(
        _ domains: consuming ArenaTable<Domain>, _ monitor: consuming ReferenceMonitor,
        _ spaces: borrowing ArenaTable<GuestSpace>, _ manifest: borrowing SystemManifest,
        _ arena: inout BootArena
    ) throws(StopReason) -> HypervisorCore {
        let count = manifest.compartmentCount
        do throws(BootArenaError) {
            let grants = try GrantTables(
                domainCount: count, handleCount: grantHandleCount, arena: &arena)
            var frames = try FrameLedger(domainCount: count, arena: &arena)
            for index in 0..<count { frames.adopt(spaces[index].memory, by: index) }
            var core = HypervisorCore(
                domains: domains, monitor: monitor, grants: grants, frames: frames,
                budgets: try EventBudgets(domainCount: count, arena: &arena),
                records: try AuditRing(arena: &arena))
            try core.setBounds(of: manifest, arena: &arena)
            return core
        } catch { throw .arena(error) }
    }

    /// How many foreign pages a compartment can have mapped.
    var grantHandleCount: Int { 1024 }

    /// A compartment that is not loaded, and whose processors are still to be reserved.
    private struct ReservedCompartment {
        let domain: Domain
        let space: GuestSpace
    }

    private func reserveProcessor(
        _ number: Int, _ space: GuestSpace, _ platform: inout Platform
    ) throws(StopReason) -> Guest {
        try onMachine { () throws(BootFailure) in
            try GuestBuilder.reserveProcessor(
                number, in: space, processor: platform.processor, &platform.memory)
        }
    }

    private func reserveCompartment(
        _ index: Int, _ manifest: borrowing SystemManifest, _ bundle: borrowing BootBundle,
        _ monitor: borrowing ReferenceMonitor, at firstProcessor: Int,
        _ platform: inout Platform
    ) throws(StopReason) -> ReservedCompartment {
        let compartment = manifest.compartment(at: index)
        guard let plan = guestPlan(index, manifest, bundle, platform.bundle.address) else {
            throw .moduleCountDiffers
        }
        let label = monitor.label(ofCompartment: index)
        platform.console.setName(compartment.name, of: plan.domain)
        do throws(BootFailure) {
            let pages = try GuestBuilder.reservePages(&platform.memory)
            let space = try GuestBuilder.reserveSpace(
                plan, pages: pages, firstProcessor: firstProcessor, &platform.memory)
            let (size, first) = (plan.memorySize >> 20, space.memory.first.number)
            platform.console.say("\(compartment.name): \(size) MiB from frame \(first)", .debug)
            let domain = Domain(
                id: plan.domain, label: label, pages: pages,
                cpuCount: compartment.virtualCPUCount, plan: LifePlan(compartment))
            return ReservedCompartment(domain: domain, space: space)
        } catch { throw .machine(error) }
    }

    private func load(
        _ index: Int, _ manifest: borrowing SystemManifest, _ bundle: borrowing BootBundle,
        _ base: UInt64, _ spaces: inout ArenaTable<GuestSpace>
    ) throws(StopReason) -> UInt32 {
        guard let plan = guestPlan(index, manifest, bundle, base) else {
            throw .moduleCountDiffers
        }
        do throws(BootFailure) {
            return try GuestBuilder.load(
                plan, commandLine: manifest.compartment(at: index).commandLine,
                into: &spaces[index])
        } catch { throw .machine(error) }
    }

    /// What a compartment's domain is made of.
    ///
    /// - Parameters:
    ///   - base: the machine address of the boot bundle.
    ///   - manifestPlace: where the manifest is, if not in the bundle.
    /// - Returns: nil when the bundle lacks its kernel.
    func guestPlan(
        _ index: Int, _ manifest: borrowing SystemManifest, _ bundle: borrowing BootBundle,
        _ base: UInt64, _ manifestPlace: (address: UInt64, size: UInt64)? = nil
    ) -> GuestBuilder.Plan? {
        let compartment = manifest.compartment(at: index)
        guard let kernel = place(compartment.kernel, bundle, base) else { return nil }
        var plan = GuestBuilder.Plan(domain: DomainID(number: compartment.domainID))
        plan.memorySize = compartment.memorySizeInBytes
        plan.processorCount = compartment.virtualCPUCount
        plan.kernel = kernel
        plan.initrd = module(for: compartment, bundle, base, manifestPlace)
        plan.hasConsole = compartment.hasConsole
        return plan
    }

    /// What a compartment finds beside its kernel: its initial RAM disk, or for a service without
    /// one the system manifest (`docs/abi/services.md`).
    private func module(
        for compartment: borrowing CompartmentRecord, _ bundle: borrowing BootBundle,
        _ base: UInt64, _ manifestPlace: (address: UInt64, size: UInt64)?
    ) -> (address: UInt64, size: UInt64)? {
        if let initrd = compartment.initrd { return place(initrd, bundle, base) }
        guard compartment.service != nil else { return nil }
        return manifestPlace
            ?? (base + UInt64(bundle.manifest.offset), UInt64(bundle.manifest.size))
    }

    /// Machine address and size of a module.
    private func place(
        _ index: Int, _ bundle: borrowing BootBundle, _ base: UInt64
    ) -> (address: UInt64, size: UInt64)? {
        guard let member = bundle.module(at: index) else { return nil }
        return (base + UInt64(member.offset), UInt64(member.size))
    }

#endif
