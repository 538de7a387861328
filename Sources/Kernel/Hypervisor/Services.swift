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
            let service = manifest.compartment(at: index)
            guard let kind = service.service else { continue }
            let provider = DomainID(number: service.domainID)
            if kind == .console {
                core.consoleService = provider
                machine.console.makeTransparent(provider)
            }
            for user in 0..<manifest.compartmentCount {
                let record = manifest.compartment(at: user)
                guard record.uses(kind) else { continue }
                let domain = DomainID(number: record.domainID)
                switch kind {
                case .store: _ = core.attachStore(of: domain, to: provider, machine)
                case .console: _ = core.attachConsole(of: domain, to: provider, machine)
                case .control, .tpm, .audit: continue
                }
            }
        }
    }

#endif
