#if hasFeature(Embedded)

    import BootArena
    import HypervisorCore
    import MachineX86
    import ReferenceMonitor
    import SystemManifest

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
