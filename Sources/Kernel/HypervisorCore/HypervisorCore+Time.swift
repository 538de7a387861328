import BootArena
import ReferenceMonitor

/// Virtual processors, their timers and waits (Xen public `vcpu.h`, `sched.h`).
extension HypervisorCore {
    /// The operations of `vcpu_op`. Records of any of the domain's processors may be registered;
    /// timers are the calling processor's own.
    ///
    /// - Throws: `.invalidArgument` for a processor that does not exist, or a timer of another;
    ///   else as the operation.
    mutating func vcpuOperation(
        _ operation: HypercallOperation, _ call: Call, _ machine: borrowing some Hardware
    ) throws(XenError) -> Int64 {
        let index = callerIndex(call.caller)
        guard call.second < UInt64(domains[index].cpuCount) else { throw .invalidArgument }
        let named = VirtualCPUID(domain: call.caller, number: Int(call.second))
        switch operation {
        case .registerVCPUInfo: try registerInfo(named, call, machine)
        case .registerRunstateArea: try registerRunstate(named, call, machine)
        case .isUp: return domains[index].cpus[named.number].isUp ? 1 : 0
        case _ where named != call.processor: throw .invalidArgument
        case .setSingleshotTimer: try setSingleshot(call, machine)
        case .stopSingleshotTimer: setDeadline(nil, call.processor)
        default: break
        }
        return 0
    }

    /// `VCPUOP_register_vcpu_info`: moves the processor's record out of the shared page, once.
    ///
    /// - Layout: `u64 mfn`, `u32 offset`, 4 bytes.
    /// - Throws: `.badAddress`; `.invalidArgument` when the record would leave its frame, is not
    ///   aligned to 8 bytes, was moved before, or the frame is not the caller's memory.
    private mutating func registerInfo(
        _ named: VirtualCPUID, _ call: Call, _ machine: borrowing some Hardware
    ) throws(XenError) {
        let request = try call.arguments(16, machine)
        let offset = request.u32(at: 8)
        let index = callerIndex(named.domain)
        let place = GuestFrame(number: request.u64(at: 0))
        guard offset <= 4096 - 64, offset % 8 == 0,
            !domains[index].cpus[named.number].infoIsRegistered,
            let frame = machine.ownedFrame(of: named.domain, at: place)
        else { throw .invalidArgument }
        domains[index].cpus[named.number].infoFrame = frame
        domains[index].cpus[named.number].infoOffset = Int(offset)
        domains[index].cpus[named.number].infoIsRegistered = true
        // Nothing may be lost in the move: say that everything may be pending.
        machine.store64(frame, offset: Int(offset) + 8, .max)
        machine.store8(frame, offset: Int(offset), 1)
        publishTime(named, machine)
    }

    /// Makes a domain ready to run: its clocks are set before its first instruction.
    ///
    /// - Layout: `struct shared_info`: `u32 wc_version` at 3,072, `u32 wc_sec`, `u32 wc_nsec`, then
    ///   `u32 wc_sec_hi` at 3,084: the wall clock when system time was 0.
    /// - Parameters:
    ///   - wallClockSeconds: since 1970, when system time was 0.
    public func start(
        _ domain: DomainID, wallClockSeconds: UInt64, _ machine: borrowing some Hardware
    ) {
        guard let index = index(of: domain) else { return }
        let page = domains[index].sharedInfo
        machine.store32(page, offset: 3072, 1)
        machine.store32(page, offset: 3076, UInt32(truncatingIfNeeded: wallClockSeconds))
        machine.store32(page, offset: 3080, 0)
        machine.store32(page, offset: 3084, UInt32(truncatingIfNeeded: wallClockSeconds >> 32))
        machine.store32(page, offset: 3072, 2)
        for number in 0..<domains[index].cpuCount {
            publishTime(VirtualCPUID(domain: domain, number: number), machine)
        }
    }

    /// Writes the clock record where the guest reads it.
    ///
    /// - Layout: `struct vcpu_info` at 32: `u32 version`, 4 bytes, `u64 tsc_timestamp`,
    ///   `u64 system_time`, `u32 tsc_to_system_mul`, `s8 tsc_shift`, `u8 flags`. The version is odd
    ///   while the record changes.
    public func publishTime(_ processor: VirtualCPUID, _ machine: borrowing some Hardware) {
        let cpu = domains[callerIndex(processor.domain)].cpus[processor.number]
        let frame = cpu.infoFrame
        let base = cpu.infoOffset + 32
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
    private mutating func setSingleshot(
        _ call: Call, _ machine: borrowing some Hardware
    ) throws(XenError) {
        let request = try call.arguments(16, machine)
        let deadline = request.u64(at: 0)
        if request.u32(at: 8) & 1 == 1, deadline < machine.systemTimeInNanoseconds() {
            throw .timeHasPassed
        }
        setDeadline(deadline, call.processor)
    }

    /// `set_timer_op`: as the one-shot timer; 0 stops it. 32-bit code passes the deadline in two
    /// halves.
    mutating func setTimer(_ call: Call) {
        let deadline = call.request.arguments[0] | (call.isNarrow ? call.second << 32 : 0)
        setDeadline(deadline == 0 ? nil : deadline, call.processor)
    }

    private mutating func setDeadline(_ deadline: UInt64?, _ processor: VirtualCPUID) {
        domains[callerIndex(processor.domain)].cpus[processor.number].timerDeadline = deadline
        noteDeadline()
    }

    /// `SCHEDOP_poll`: waits for an event on a port, or a deadline. It may end early: the guest
    /// looks at its ports again.
    ///
    /// - Layout: `u64 ports`, `u32 nr_ports`, 4 bytes, `u64 timeout` (ns; 0 none); of 32-bit code
    ///   `u32 ports`, `u32 nr_ports`, `u64 timeout`.
    /// - Throws: `.badAddress`.
    mutating func poll(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        let index = callerIndex(call.caller)
        let isNarrow = call.isNarrow
        let request = try call.arguments(isNarrow ? 16 : 24, machine)
        let count = request.u32(at: isNarrow ? 4 : 8)
        guard count <= UInt32(Domain.portCount) else { throw .invalidArgument }
        let ports = isNarrow ? UInt64(request.u32(at: 0)) : request.u64(at: 0)
        var polled: EventChannelPort?
        for number in 0..<UInt64(count) {
            // WRAPS: an address past the end is not mapped, and refused by the copy.
            let place = GuestVirtualAddress(ports &+ number &* 4)
            let port = try machine.copyFromGuest(call.caller, at: place, count: 4).u32(at: 0)
            guard port < UInt32(Domain.portCount) else { throw .invalidArgument }
            polled = count == 1 ? EventChannelPort(number: port) : nil
            if isPending(index, EventChannelPort(number: port), machine) { return }
        }
        let timeout = request.u64(at: isNarrow ? 8 : 16)
        noteWait(index)
        domains[index].cpus[call.processor.number].isBlocked = true
        domains[index].cpus[call.processor.number].polledPort = polled
        domains[index].cpus[call.processor.number].pollDeadline = timeout == 0 ? .max : timeout
        noteDeadline()
    }

    /// Blocks a processor until an event, unless one is there.
    public mutating func block(_ processor: VirtualCPUID, _ machine: borrowing some Hardware) {
        let index = callerIndex(processor.domain)
        let cpu = domains[index].cpus[processor.number]
        noteWait(index)
        if machine.load8(cpu.infoFrame, offset: cpu.infoOffset) == 0 {
            domains[index].cpus[processor.number].isBlocked = true
        }
    }

    /// Ends a processor's wait: it was sent an interrupt that is no event.
    public mutating func interrupt(_ processor: VirtualCPUID) {
        let index = callerIndex(processor.domain)
        guard processor.number >= 0, processor.number < domains[index].cpuCount else { return }
        wake(index, processor.number)
    }

    /// Starts a processor: it can run from now on.
    ///
    /// - Returns: false when it does not exist or is up already; nothing changed then.
    public mutating func bringUp(_ processor: VirtualCPUID) -> Bool {
        let index = callerIndex(processor.domain)
        guard processor.number >= 0, processor.number < domains[index].cpuCount,
            !domains[index].cpus[processor.number].isUp
        else { return false }
        domains[index].cpus[processor.number].isUp = true
        wake(index, processor.number)
        return true
    }

    /// Stops a processor that has halted for good; with its last, the domain is powered off.
    public mutating func takeDown(_ processor: VirtualCPUID) {
        let index = callerIndex(processor.domain)
        domains[index].cpus[processor.number].isUp = false
        for number in 0..<domains[index].cpuCount where domains[index].cpus[number].isUp {
            return
        }
        stop(index, .shutDown(reason: 0))
    }

    /// `SCHEDOP_shutdown`: the domain stops, with a reason.
    ///
    /// - Layout: `u32 reason`.
    /// - Throws: `.badAddress`.
    mutating func shutdown(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        let reason = try call.arguments(4, machine).u32(at: 0)
        stop(callerIndex(call.caller), .shutDown(reason: reason))
    }

    /// Stops a domain whose state cannot be used.
    public mutating func crash(_ domain: DomainID) {
        stop(callerIndex(domain), .crashed)
    }
}
