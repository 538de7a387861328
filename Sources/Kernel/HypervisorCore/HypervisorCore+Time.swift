import BootArena
import ReferenceMonitor

/// Virtual processors, their timers and waits (Xen public `vcpu.h`, `sched.h`).
extension HypervisorCore {
    /// The operations of `vcpu_op` on the caller's one processor.
    ///
    /// - Throws: `.invalidArgument` for another processor; else as the operation.
    mutating func vcpuOperation<M: Machine & ~Copyable>(
        _ operation: HypercallOperation, vcpu: UInt64, _ address: GuestVirtualAddress,
        _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        guard vcpu == 0 else { throw .invalidArgument }
        let index = callerIndex(caller)
        switch operation {
        case .registerVCPUInfo: return try registerInfo(address, caller, machine)
        case .registerRunstateArea: return try registerRunstate(address, caller, machine)
        case .setSingleshotTimer: return try setSingleshot(address, caller, machine)
        case .stopSingleshotTimer:
            domains[index].cpu.timerDeadline = nil
            return 0
        case .stopPeriodicTimer: return 0
        case .isUp: return 1
        default: throw .unknownOperation
        }
    }

    /// `VCPUOP_register_vcpu_info`: moves the processor's record out of the shared page, once.
    ///
    /// - Layout: `u64 mfn`, `u32 offset`, 4 bytes.
    /// - Throws: `.badAddress`; `.invalidArgument` when the record would leave its frame, is not
    ///   aligned to 8 bytes, was moved before, or the frame is not the caller's memory.
    private mutating func registerInfo<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        let request = try arguments(address, 16, caller, machine)
        let offset = request.u32(at: 8)
        let index = callerIndex(caller)
        guard offset <= 4096 - 64, offset % 8 == 0, !domains[index].cpu.infoIsRegistered,
            let frame = machine.ownedFrame(of: caller, at: GuestFrame(number: request.u64(at: 0)))
        else { throw .invalidArgument }
        domains[index].cpu.infoFrame = frame
        domains[index].cpu.infoOffset = Int(offset)
        domains[index].cpu.infoIsRegistered = true
        // Nothing may be lost in the move: say that everything may be pending.
        machine.store64(frame, offset: Int(offset) + 8, .max)
        machine.store8(frame, offset: Int(offset), 1)
        publishTime(caller, machine)
        return 0
    }

    /// Makes a domain ready to run: its clocks are set before its first instruction.
    ///
    /// - Layout: `struct shared_info`: `u32 wc_version` at 3,072, `u32 wc_sec`, `u32 wc_nsec`, then
    ///   `u32 wc_sec_hi` at 3,084: the wall clock when system time was 0.
    /// - Parameters:
    ///   - wallClockSeconds: since 1970, when system time was 0.
    public func start<M: Machine & ~Copyable>(
        _ domain: DomainID, wallClockSeconds: UInt64, _ machine: borrowing M
    ) {
        guard let index = index(of: domain) else { return }
        let page = domains[index].sharedInfo
        machine.store32(page, offset: 3072, 1)
        machine.store32(page, offset: 3076, UInt32(truncatingIfNeeded: wallClockSeconds))
        machine.store32(page, offset: 3080, 0)
        machine.store32(page, offset: 3084, UInt32(truncatingIfNeeded: wallClockSeconds >> 32))
        machine.store32(page, offset: 3072, 2)
        publishTime(domain, machine)
    }

    /// Writes the clock record where the guest reads it.
    ///
    /// - Layout: `struct vcpu_info` at 32: `u32 version`, 4 bytes, `u64 tsc_timestamp`,
    ///   `u64 system_time`, `u32 tsc_to_system_mul`, `s8 tsc_shift`, `u8 flags`. The version is odd
    ///   while the record changes.
    public func publishTime<M: Machine & ~Copyable>(_ domain: DomainID, _ machine: borrowing M) {
        guard let index = index(of: domain) else { return }
        let frame = domains[index].cpu.infoFrame
        let base = domains[index].cpu.infoOffset + 32
        let record = machine.timeRecord()
        // WRAPS: the version counts changes, modulo 2^32.
        let version = (machine.load32(frame, offset: base) | 1) &+ 2
        machine.store32(frame, offset: base, version)
        machine.store64(frame, offset: base + 8, record.tscTimestamp)
        machine.store64(frame, offset: base + 16, record.systemTime)
        machine.store32(frame, offset: base + 24, record.tscToSystemMultiplier)
        let stable: UInt32 = 1 << 8
        machine.store32(
            frame, offset: base + 28, UInt32(UInt8(bitPattern: record.tscShift)) | stable)
        machine.store32(frame, offset: base, version &+ 1)
    }

    /// `VCPUOP_set_singleshot_timer`.
    ///
    /// - Layout: `u64 timeout_abs_ns`, `u32 flags`: bit 0 asks for an error when it has passed.
    /// - Throws: `.badAddress`; `.timeHasPassed` when so asked.
    private mutating func setSingleshot<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        let request = try arguments(address, 16, caller, machine)
        let deadline = request.u64(at: 0)
        if request.u32(at: 8) & 1 == 1, deadline < machine.systemTimeInNanoseconds() {
            throw .timeHasPassed
        }
        domains[callerIndex(caller)].cpu.timerDeadline = deadline
        return 0
    }

    /// `set_timer_op`: as the one-shot timer; 0 stops it.
    mutating func setTimer(deadline: UInt64, _ caller: DomainID) -> Int64 {
        domains[callerIndex(caller)].cpu.timerDeadline = deadline == 0 ? nil : deadline
        return 0
    }

    /// `SCHEDOP_block` and `SCHEDOP_poll`: waits for an event; a poll also ends at its deadline. A
    /// poll may end early: the guest looks at its ports again.
    ///
    /// - Layout: of a poll: `u64 ports`, `u32 nr_ports`, 4 bytes, `u64 timeout` (ns; 0 none).
    /// - Throws: `.badAddress`.
    mutating func wait<M: Machine & ~Copyable>(
        _ operation: HypercallOperation, _ address: GuestVirtualAddress, _ caller: DomainID,
        _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        let index = callerIndex(caller)
        if operation == .block {
            block(caller, machine)
            return 0
        }
        let request = try arguments(address, 24, caller, machine)
        let count = request.u32(at: 8)
        guard count <= UInt32(Domain.portCount) else { throw .invalidArgument }
        let ports = request.u64(at: 0)
        for number in 0..<UInt64(count) {
            // WRAPS: an address past the end is not mapped, and refused by the copy.
            let place = GuestVirtualAddress(ports &+ number &* 4)
            let port = try arguments(place, 4, caller, machine).u32(at: 0)
            guard port < UInt32(Domain.portCount) else { throw .invalidArgument }
            let word = machine.load64(
                domains[index].sharedInfo, offset: 2048 + Int(port >> 6) * 8)
            if word >> UInt64(port & 63) & 1 == 1 { return 0 }
        }
        let timeout = request.u64(at: 16)
        domains[index].cpu.isBlocked = true
        domains[index].cpu.pollDeadline = timeout == 0 ? .max : timeout
        return 0
    }

    /// Blocks the domain until an event, unless one is there.
    public mutating func block<M: Machine & ~Copyable>(
        _ domain: DomainID, _ machine: borrowing M
    ) {
        let index = callerIndex(domain)
        let cpu = domains[index].cpu
        if machine.load8(cpu.infoFrame, offset: cpu.infoOffset) == 0 {
            domains[index].cpu.isBlocked = true
        }
    }

    /// `SCHEDOP_shutdown`: the domain stops, with a reason.
    ///
    /// - Layout: `u32 reason`.
    /// - Throws: `.badAddress`.
    mutating func shutdown<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        let reason = try arguments(address, 4, caller, machine).u32(at: 0)
        domains[callerIndex(caller)].life = .shutDown(reason: reason)
        return 0
    }

    /// Stops a domain that has halted for good, as `SHUTDOWN_poweroff` does.
    public mutating func powerOff(_ domain: DomainID) {
        domains[callerIndex(domain)].life = .shutDown(reason: 0)
    }

    /// Stops a domain whose state cannot be used.
    public mutating func crash(_ domain: DomainID) {
        domains[callerIndex(domain)].life = .crashed
    }

    /// Rings the timers that are due and ends the polls whose time has come.
    ///
    /// - Complexity: one step for each domain.
    public mutating func expireTimers<M: Machine & ~Copyable>(_ machine: inout M) {
        let now = machine.systemTimeInNanoseconds()
        for index in domains.indices {
            if let deadline = domains[index].cpu.timerDeadline, deadline <= now {
                domains[index].cpu.timerDeadline = nil
                let domain = domains[index].id
                let timer = EventChannel.Binding.virtualInterrupt(number: VirtualInterrupt.timer)
                if let port = port(of: domain, boundTo: timer) {
                    setPending(domain, port, &machine)
                }
            }
            if let deadline = domains[index].cpu.pollDeadline, deadline <= now { wake(index) }
        }
    }

    /// The next moment at which `expireTimers` has something to do; nil: none.
    ///
    /// - Units: nanoseconds of system time.
    public func nextDeadline() -> UInt64? {
        var next: UInt64 = .max
        for index in domains.indices where domains[index].life == .running {
            next = min(next, domains[index].cpu.timerDeadline ?? .max)
            next = min(next, domains[index].cpu.pollDeadline ?? .max)
        }
        return next == .max ? nil : next
    }
}
