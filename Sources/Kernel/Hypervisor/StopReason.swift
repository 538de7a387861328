#if hasFeature(Embedded)

    import BootArena
    import HypervisorCore
    import MachineX86
    import TPMDevice

    /// Why the machine refuses to go on. Nothing fails open: each of these ends the boot.
    enum StopReason: Error {
        /// The machine itself lacks something.
        case machine(BootFailure)
        /// - `systemTooLarge`: more compartments or modules than the hypervisor has room for.
        /// - `busMaster`: a device goes on reading and writing memory.
        case systemTooLarge, busMaster
        /// The tables of the system do not fit.
        case arena(BootArenaError)
        /// The TPM or the log did not take a measurement.
        case measurement(MeasurementError)
        /// Policy, manifest or flow certificate are refused.
        case refused(ReloadRefusal)
        /// - `deviceReserved`: a device has ports, memory or interrupts that are the hypervisor's
        ///   own, or that could move memory.
        /// - `deviceForbidden`: the policy does not give a device to the compartment that the
        ///   manifest names.
        /// - `moduleCountDiffers`: the bundle does not have as many modules as the manifest.
        /// - `moduleDiffers`: a module is not the one that the manifest names.
        case deviceReserved, deviceForbidden, moduleCountDiffers, moduleDiffers

        /// For the console and for PCR 12.
        var text: StaticString {
            switch self {
            case .machine(let failure): failure.reason
            case .systemTooLarge: "system: more than 32 compartments or 64 modules"
            case .busMaster: "machine: a PCI function stays bus master"
            case .arena(let error): error.reason
            case .measurement(let error): error.reason
            case .refused(let refusal): refusal.reason
            case .deviceReserved: "device: reserved ports, memory or interrupts"
            case .deviceForbidden: "device: the policy denies it"
            case .moduleCountDiffers: "bundle: not as many modules as the manifest names"
            case .moduleDiffers: "bundle: a module is not the one that the manifest names"
            }
        }
    }

#endif
