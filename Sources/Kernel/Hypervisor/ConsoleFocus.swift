#if hasFeature(Embedded)

    import BootArena
    import HypervisorCore
    import MachineX86
    import SystemManifest

    /// Which domain the keyboard speaks to. Control and `]` passes it on.
    struct ConsoleFocus: ~Copyable {
        private var index = 0
        private var waiting: UInt8?

        mutating func poll(
            _ core: inout HypervisorCore, _ machine: inout X86Machine,
            _ manifest: borrowing SystemManifest
        ) {
            // At most one FIFO of bytes for each step; what a full ring refuses is kept.
            for _ in 0..<16 {
                guard let byte = waiting ?? SerialPort.first.read() else { return }
                waiting = nil
                if core.consoleService != nil {
                    guard core.offerTyped(byte, &machine) else {
                        waiting = byte
                        return
                    }
                    continue
                }
                if byte == 0x1d {
                    index = (index + 1) % core.domains.count
                    machine.console.say("input goes to \(manifest.compartment(at: index).name)")
                    continue
                }
                let domain = core.domains[index].id
                let isRunning = core.domains[index].life == .running
                guard !isRunning || core.consoleInput(byte, to: domain, machine: &machine) else {
                    waiting = byte
                    return
                }
            }
        }
    }

#endif
