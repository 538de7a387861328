import BootArena
import ReferenceMonitor

/// What a guest asks about itself: version, features, parameters, memory.
extension HypervisorCore {
    /// `XENVER_get_features`: what this hypervisor offers (Xen public `features.h`): writable page
    /// tables (0), auto-translated physmap (2), HVM callback vector (8), safe PV clock (9).
    ///
    /// - Layout: `u32 submap_idx`, `u32 submap` [hypervisor].
    /// - Throws: `.badAddress`; `.invalidArgument` for a submap that does not exist.
    func features<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        var request = try arguments(address, 8, caller, machine)
        guard request.u32(at: 0) == 0 else { throw .invalidArgument }
        request.set(u32: 0x305, at: 4)
        try answer(request, address, caller, machine)
        return 0
    }

    /// `XENVER_extraversion`: `-casemate`, in 16 bytes.
    ///
    /// - Throws: `.badAddress`.
    func extraVersion<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        let text: InlineArray<9, UInt8> = [0x2d, 0x63, 0x61, 0x73, 0x65, 0x6d, 0x61, 0x74, 0x65]
        var bytes = GuestBytes(count: 16)
        for index in text.indices { bytes[index] = text[index] }
        try answer(bytes, address, caller, machine)
        return 0
    }

    /// `XENMEM_add_to_physmap`: shows the guest its shared page or a frame of its grant table.
    ///
    /// - Layout: `u16 domid`, `u16 size`, `u32 space`, `u64 idx`, `u64 gpfn`.
    /// - Throws: `.badAddress`; `.notPermitted` for another domain; `.invalidArgument` for another
    ///   space, an index past the grant table, or a frame where nothing may be mapped.
    mutating func addToPhysmap<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: inout M
    ) throws(XenError) -> Int64 {
        let request = try arguments(address, 24, caller, machine)
        guard isCaller(request.u16(at: 0), caller) else { throw .notPermitted }
        let domain = domains[callerIndex(caller)]
        let frame: MachineFrame
        var grantFrame: Int?
        switch request.u32(at: 4) {
        case 0:
            frame = domain.sharedInfo
        case 1:
            let index = request.u64(at: 8)
            guard index < UInt64(Domain.grantFrameCount) else { throw .invalidArgument }
            frame = MachineFrame(number: domain.grantFrames.number + index)
            grantFrame = Int(index)
        default:
            throw .invalidArgument
        }
        let place = GuestFrame(number: request.u64(at: 16))
        guard machine.canMap(caller, at: place) else { throw .invalidArgument }
        machine.map(caller, frame, at: place)
        if let grantFrame {
            domains[callerIndex(caller)].grantGuestFrames[grantFrame] = place
        }
        return 0
    }

    /// `HVMOP_set_param`: only `HVM_PARAM_CALLBACK_IRQ` (0) of type 2, a vector.
    ///
    /// - Layout: `u16 domid`, 2 bytes, `u32 index`, `u64 value`.
    /// - Throws: `.badAddress`; `.notPermitted` for another domain; `.invalidArgument` for another
    ///   parameter, another type, or a vector below 16.
    mutating func setParameter<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        let request = try arguments(address, 16, caller, machine)
        guard isCaller(request.u16(at: 0), caller) else { throw .notPermitted }
        let value = request.u64(at: 8)
        guard request.u32(at: 4) == 0, value >> 56 == 2, value & 0xff >= 16 else {
            throw .invalidArgument
        }
        domains[callerIndex(caller)].callbackVector = UInt8(truncatingIfNeeded: value)
        return 0
    }

    /// `HVMOP_get_param`: where the console and the store are. The store's parameters read as 0,
    /// which a guest understands as none, when no compartment serves it.
    ///
    /// - Layout: as `HVMOP_set_param`; `value` [hypervisor].
    /// - Throws: `.badAddress`; `.notPermitted` for another domain; `.invalidArgument` for another
    ///   parameter.
    func getParameter<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        var request = try arguments(address, 16, caller, machine)
        guard isCaller(request.u16(at: 0), caller) else { throw .notPermitted }
        let domain = domains[callerIndex(caller)]
        let value: UInt64
        switch request.u32(at: 4) {
        case 1: value = domain.storePort == nil ? 0 : domain.storeGuestFrame.number
        case 2: value = UInt64(domain.storePort?.number ?? 0)
        case 17: value = domain.consoleGuestFrame.number
        case 18: value = UInt64(Domain.consolePort.number)
        default: throw .invalidArgument
        }
        request.set(u64: value, at: 8)
        try answer(request, address, caller, machine)
        return 0
    }

    /// `vm_assist`: `VMASST_TYPE_runstate_update_flag` (5) may be enabled; it is, always.
    ///
    /// - Throws: `.invalidArgument` for anything else.
    func vmAssist(command: UInt64, type: UInt64) throws(XenError) -> Int64 {
        guard command == 0, type == 5 else { throw .invalidArgument }
        return 0
    }
}
