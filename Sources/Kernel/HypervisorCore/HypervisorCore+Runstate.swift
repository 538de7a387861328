import BootArena
import ReferenceMonitor

/// The states of a virtual processor (`RUNSTATE_…` in Xen's public `vcpu.h`).
public enum Runstate: UInt32 {
    /// `RUNSTATE_running`: on a processor.
    case running = 0
    /// `RUNSTATE_runnable`: it could run, and waits for a processor.
    case runnable = 1
    /// `RUNSTATE_blocked`: it waits for an event.
    case blocked = 2
    /// `RUNSTATE_offline`: it does not run.
    case offline = 3
}

/// How a processor's time was spent, kept here and shown to the guest on request.
extension HypervisorCore {
    /// Accounts for the time since the last change, and shows the guest.
    public mutating func enter(
        _ state: Runstate, _ processor: VirtualCPUID, _ machine: borrowing some Hardware
    ) {
        note(state, processor, machine)
        let cpu = domains[callerIndex(processor.domain)].cpus[processor.number]
        if let address = cpu.runstateAddress {
            // The guest may have unmapped it since.
            try? showRunstate(processor, address, by: processor, machine)
        }
    }

    /// Accounts for the time since the last change; the guest is shown when it next runs.
    public mutating func note(
        _ state: Runstate, _ processor: VirtualCPUID, _ machine: borrowing some Hardware
    ) {
        let index = callerIndex(processor.domain)
        let number = processor.number
        let now = machine.systemTimeInNanoseconds()
        let cpu = domains[index].cpus[number]
        // Two processors' clocks may differ by a hair: time does not go back.
        let spent = now > cpu.runstateSince ? now - cpu.runstateSince : 0
        // WRAPS: nanoseconds fill 64 bits after 584 years.
        domains[index].cpus[number].runstateTimes[Int(cpu.runstate & 3)] &+= spent
        domains[index].cpus[number].runstate = state.rawValue
        domains[index].cpus[number].runstateSince = now
    }

    /// `VCPUOP_register_runstate_memory_area`: the guest names, by virtual address, where it reads
    /// its processor's times. Registered for good: an address that is not mapped later is skipped.
    ///
    /// - Layout: `u64 address`. There: `s32 state`, 4 bytes, `u64 state_entry_time`, `u64 time[4]`.
    /// - Throws: `.badAddress` when the address itself, or what it names, is not mapped.
    mutating func registerRunstate(
        _ named: VirtualCPUID, _ call: Call, _ machine: borrowing some Hardware
    ) throws(XenError) {
        let place = GuestVirtualAddress(try call.arguments(8, machine).u64(at: 0))
        try showRunstate(named, place, by: call.processor, machine)
        domains[callerIndex(named.domain)].cpus[named.number].runstateAddress = place
    }

    /// Writes a processor's times through the address space of processor `reader`.
    ///
    /// - Throws: `.badAddress`.
    private func showRunstate(
        _ processor: VirtualCPUID, _ address: GuestVirtualAddress, by reader: VirtualCPUID,
        _ machine: borrowing some Hardware
    ) throws(XenError) {
        let cpu = domains[callerIndex(processor.domain)].cpus[processor.number]
        var record = GuestBytes(count: 48)
        record.set(u32: cpu.runstate, at: 0)
        record.set(u64: cpu.runstateSince, at: 8)
        for index in 0..<4 { record.set(u64: cpu.runstateTimes[index], at: 16 + index * 8) }
        try machine.copyToGuest(reader.domain, at: address, record)
    }
}
