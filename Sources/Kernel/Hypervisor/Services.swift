#if hasFeature(Embedded)

    import BootArena
    import HypervisorCore
    import MachineX86
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

#endif
