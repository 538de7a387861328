#if hasFeature(Embedded)

    import BootArena
    import HypervisorCore
    import MachineX86
    import PolicyDatabase
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
            guard let (owner, ports) = ports(index, manifest) else { continue }
            guard !DeviceRules.isReserved(ports) else { throw .deviceReserved }
            let vector = monitor.accessVector(
                source: monitor.label(ofCompartment: owner),
                target: monitor.label(ofDeviceRange: index), class: .resource)
            guard vector.contains(ResourcePermission.use),
                vector.contains(ResourcePermission.useNoiommu)
            else { throw .deviceForbidden }
            spaces[owner].permitPorts(ports)
        }
    }

    /// The owner and the ports of a device's range; nil when it is of another kind.
    private func ports(
        _ index: Int, _ manifest: borrowing SystemManifest
    ) -> (owner: Int, ports: ClosedRange<UInt16>)? {
        let range = manifest.deviceRange(at: index)
        guard range.kind == .ports, let first = UInt16(exactly: range.first),
            let last = UInt16(exactly: range.last), first <= last
        else { return nil }
        return (manifest.device(at: range.device).owner, first...last)
    }

    /// Whether a compartment owns a part of COM2.
    func ownsControlLine(_ manifest: borrowing SystemManifest) -> Bool {
        for index in 0..<manifest.deviceRangeCount {
            guard let (_, ports) = ports(index, manifest) else { continue }
            if ports.overlaps(SerialPort.second.registers) { return true }
        }
        return false
    }

#endif
