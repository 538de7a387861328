#if hasFeature(Embedded)

    import BootArena
    import HypervisorCore
    import MachineX86
    import ReferenceMonitor
    import SystemManifest

    /// Joins each compartment to the services that it uses, before any of them runs
    /// (`docs/abi/services.md`). A console that no compartment serves stays the hypervisor's.
    func attachServices(
        _ core: inout HypervisorCore, _ machine: inout X86Machine,
        _ manifest: borrowing SystemManifest
    ) {
        for index in 0..<manifest.compartmentCount {
            if manifest.compartment(at: index).service == .console {
                let provider = DomainID(number: manifest.compartment(at: index).domainID)
                core.consoleService = provider
                machine.console.makeTransparent(provider)
            }
            attachServices(of: index, &core, machine, manifest)
        }
    }

    /// Joins a compartment to the services that it uses, before it runs.
    func attachServices(
        of user: Int, _ core: inout HypervisorCore, _ machine: borrowing X86Machine,
        _ manifest: borrowing SystemManifest
    ) {
        let record = manifest.compartment(at: user)
        let domain = DomainID(number: record.domainID)
        for index in 0..<manifest.compartmentCount {
            let service = manifest.compartment(at: index)
            guard let kind = service.service, record.uses(kind) else { continue }
            let provider = DomainID(number: service.domainID)
            switch kind {
            case .store: _ = core.attachStore(of: domain, to: provider, machine)
            case .console: _ = core.attachConsole(of: domain, to: provider, machine)
            case .control, .tpm, .audit: continue
            }
        }
    }

    /// Gives each device's ports, memory and interrupt lines to its owner, if the loaded policy
    /// does, too, also without an IOMMU: there is none. Other ports exit the guest and read as
    /// nothing, other memory ends it, and other lines are shut.
    ///
    /// - Throws: `.deviceReserved`, `.deviceForbidden`.
    func assignDevices(
        _ manifest: borrowing SystemManifest, _ core: inout HypervisorCore,
        _ spaces: inout ArenaTable<GuestSpace>
    ) throws(StopReason) {
        for index in 0..<manifest.deviceRangeCount {
            let device = DeviceRules.range(index, manifest)
            guard !device.kind.isReserved(device.first, device.last) else { throw .deviceReserved }
            guard DeviceRules.permits(device.owner, range: index, core.monitor) else {
                throw .deviceForbidden
            }
            core.adopt(device)
            spaces[device.owner].set(device, isPermitted: true)
        }
    }

    /// Gives its devices' memory to a compartment that is made anew: its tables were cleared.
    func assignMemory(
        of owner: Int, _ core: borrowing HypervisorCore, _ machine: inout X86Machine,
        _ manifest: borrowing SystemManifest
    ) {
        for index in 0..<manifest.deviceRangeCount {
            let device = DeviceRules.range(index, manifest)
            guard device.owner == owner, device.frames != nil else { continue }
            let isPermitted = DeviceRules.permits(owner, range: index, core.monitor)
            machine.setDevice(device, isPermitted: isPermitted)
        }
    }

    /// Whether a compartment owns a part of COM2.
    func ownsControlLine(_ manifest: borrowing SystemManifest) -> Bool {
        for index in 0..<manifest.deviceRangeCount {
            let device = DeviceRules.range(index, manifest)
            if device.ports?.overlaps(SerialPort.second.registers) == true { return true }
        }
        return false
    }

#endif
