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
    public mutating func enter<M: Machine & ~Copyable>(
        _ state: Runstate, _ domain: DomainID, _ machine: borrowing M
    ) {
        let index = callerIndex(domain)
        let now = machine.systemTimeInNanoseconds()
        let cpu = domains[index].cpu
        // WRAPS: nanoseconds fill 64 bits after 584 years.
        domains[index].cpu.runstateTimes[Int(cpu.runstate & 3)] &+= now &- cpu.runstateSince
        domains[index].cpu.runstate = state.rawValue
        domains[index].cpu.runstateSince = now
        if let address = cpu.runstateAddress { showRunstate(domain, address, machine) }
    }

    /// `VCPUOP_register_runstate_memory_area`: the guest names, by virtual address, where it reads
    /// its processor's times. Registered for good: an address that is not mapped later is skipped.
    ///
    /// - Layout: `u64 address`. There: `s32 state`, 4 bytes, `u64 state_entry_time`, `u64 time[4]`.
    /// - Throws: `.badAddress` when the address itself, or what it names, is not mapped.
    mutating func registerRunstate<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        let place = GuestVirtualAddress(try arguments(address, 8, caller, machine).u64(at: 0))
        guard showRunstate(caller, place, machine) else { throw .badAddress }
        domains[callerIndex(caller)].cpu.runstateAddress = place
        return 0
    }

    @discardableResult
    private func showRunstate<M: Machine & ~Copyable>(
        _ domain: DomainID, _ address: GuestVirtualAddress, _ machine: borrowing M
    ) -> Bool {
        let cpu = domains[callerIndex(domain)].cpu
        var record = GuestBytes(count: 48)
        record.set(u32: cpu.runstate, at: 0)
        record.set(u64: cpu.runstateSince, at: 8)
        for index in 0..<4 { record.set(u64: cpu.runstateTimes[index], at: 16 + index * 8) }
        return machine.copyToGuest(domain, at: address, record)
    }
}
