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

    /// Gives each device's I/O ports to its owner, if the loaded policy does, too, also without an
    /// IOMMU: there is none. Whatever is not given here exits the guest and reads as nothing.
    ///
    /// - Throws: `.deviceReserved`, `.deviceForbidden`.
    func assignDevices(
        _ manifest: borrowing SystemManifest, _ spaces: borrowing ArenaTable<GuestSpace>,
        _ monitor: borrowing ReferenceMonitor
    ) throws(StopReason) {
        for index in 0..<manifest.deviceRangeCount {
            guard let (owner, ports) = DeviceRules.ports(index, manifest) else { continue }
            guard !DeviceRules.isReserved(ports) else { throw .deviceReserved }
            guard DeviceRules.permits(owner, range: index, monitor) else {
                throw .deviceForbidden
            }
            spaces[owner].setPorts(ports, isPermitted: true)
        }
    }

    /// Whether a compartment owns a part of COM2.
    func ownsControlLine(_ manifest: borrowing SystemManifest) -> Bool {
        for index in 0..<manifest.deviceRangeCount {
            guard let (_, ports) = DeviceRules.ports(index, manifest) else { continue }
            if ports.overlaps(SerialPort.second.registers) { return true }
        }
        return false
    }

#endif
