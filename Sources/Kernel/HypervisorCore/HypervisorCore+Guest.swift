import BootArena
import ReferenceMonitor

/// What a guest asks about itself: version, features, parameters, memory.
extension HypervisorCore {
    /// `XENVER_get_features`: what this hypervisor offers (Xen public `features.h`): writable page
    /// tables (0), auto-translated physmap (2), HVM callback vector (8), safe PV clock (9).
    ///
    /// - Layout: `u32 submap_idx`, `u32 submap` [hypervisor].
    /// - Throws: `.badAddress`; `.invalidArgument` for a submap that does not exist.
    func features(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        var request = try call.arguments(8, machine)
        guard request.u32(at: 0) == 0 else { throw .invalidArgument }
        var owns = false
        for line in lines.indices where lines[line].owner == call.caller { owns = true }
        request.set(u32: owns ? 0x705 : 0x305, at: 4)
        try call.answer(request, machine)
    }

    /// `XENVER_extraversion`: `-casemate`, in 16 bytes.
    ///
    /// - Throws: `.badAddress`.
    func extraVersion(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        let text: InlineArray<9, UInt8> = [0x2d, 0x63, 0x61, 0x73, 0x65, 0x6d, 0x61, 0x74, 0x65]
        var bytes = GuestBytes(count: 16)
        for index in text.indices { bytes[index] = text[index] }
        try call.answer(bytes, machine)
    }

    /// `XENMEM_add_to_physmap`: shows the guest its shared page or a frame of its grant table.
    ///
    /// - Layout: `u16 domid`, `u16 size`, `u32 space`, `u64 idx`, `u64 gpfn`; of 32-bit code the
    ///   last two are `u32`.
    /// - Throws: `.badAddress`; `.notPermitted` for another domain; `.invalidArgument` for another
    ///   space, an index past the grant table, or a frame where nothing may be mapped.
    mutating func addToPhysmap(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        let isNarrow = call.isNarrow
        let request = try call.arguments(isNarrow ? 16 : 24, machine)
        guard isCaller(request.u16(at: 0), call.caller) else { throw .notPermitted }
        let domain = domains[callerIndex(call.caller)]
        let frame: MachineFrame
        var grantFrame: Int?
        switch request.u32(at: 4) {
        case 0:
            frame = domain.sharedInfo
        case 1:
            let index = isNarrow ? UInt64(request.u32(at: 8)) : request.u64(at: 8)
            guard index < UInt64(Domain.grantFrameCount) else { throw .invalidArgument }
            frame = MachineFrame(number: domain.grantFrames.number + index)
            grantFrame = Int(index)
        default:
            throw .invalidArgument
        }
        let place = GuestFrame(
            number: isNarrow ? UInt64(request.u32(at: 12)) : request.u64(at: 16))
        guard machine.canMap(call.caller, at: place) else { throw .invalidArgument }
        machine.map(call.caller, frame, at: place)
        if let grantFrame {
            domains[callerIndex(call.caller)].grantGuestFrames[grantFrame] = place
        }
    }

    /// `XENMEM_memory_map`: the memory map of the start info, as the BIOS would tell it.
    ///
    /// - Layout: `u32 nr_entries` [guest: room; hypervisor: how many there are], 4 bytes, `u64
    ///   buffer`; of 32-bit code `u32 buffer` at 4. An entry: `u64 start`, `u64 size`, `u32 type`.
    /// - Throws: `.badAddress`; entries may have been written then.
    func memoryMap(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        var request = try call.arguments(call.isNarrow ? 8 : 16, machine)
        let memorySize = machine.memorySize(of: call.caller)
        let count = min(
            Int(request.u32(at: 0)), GuestFirmware.regionCount(memorySize: memorySize))
        var entries = GuestBytes(count: count * 20)
        for index in 0..<count {
            let region = GuestFirmware.region(index, memorySize: memorySize)
            entries.set(u64: region.start, at: index * 20)
            entries.set(u64: region.size, at: index * 20 + 8)
            entries.set(u32: UInt32(truncatingIfNeeded: region.type), at: index * 20 + 16)
        }
        let buffer = call.isNarrow ? UInt64(request.u32(at: 4)) : request.u64(at: 8)
        try machine.copyToGuest(call.caller, at: GuestVirtualAddress(buffer), entries)
        request.set(u32: UInt32(truncatingIfNeeded: count), at: 0)
        try call.answer(request, machine)
    }

    /// `HVMOP_set_param`: only `HVM_PARAM_CALLBACK_IRQ` (0) of type 2, a vector.
    ///
    /// - Layout: `u16 domid`, 2 bytes, `u32 index`, `u64 value`.
    /// - Throws: `.badAddress`; `.notPermitted` for another domain; `.invalidArgument` for another
    ///   parameter, another type, or a vector below 16.
    mutating func setParameter(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        let request = try call.arguments(16, machine)
        guard isCaller(request.u16(at: 0), call.caller) else { throw .notPermitted }
        let value = request.u64(at: 8)
        guard request.u32(at: 4) == 0, value >> 56 == 2, value & 0xff >= 16 else {
            throw .invalidArgument
        }
        domains[callerIndex(call.caller)].callbackVector = UInt8(truncatingIfNeeded: value)
    }

    /// `HVMOP_get_param`: where the console and the store are. The store's parameters read as 0,
    /// which a guest understands as none, when no compartment serves it; the console's, when it has
    /// none.
    ///
    /// - Layout: as `HVMOP_set_param`; `value` [hypervisor].
    /// - Throws: `.badAddress`; `.notPermitted` for another domain; `.invalidArgument` for another
    ///   parameter.
    func getParameter(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        var request = try call.arguments(16, machine)
        guard isCaller(request.u16(at: 0), call.caller) else { throw .notPermitted }
        let domain = domains[callerIndex(call.caller)]
        let value: UInt64
        switch request.u32(at: 4) {
        case 1: value = domain.storePort == nil ? 0 : domain.storeGuestFrame.number
        case 2: value = UInt64(domain.storePort?.number ?? 0)
        case 17: value = domain.plan.hasConsole ? domain.consoleGuestFrame.number : 0
        case 18: value = domain.plan.hasConsole ? UInt64(Domain.consolePort.number) : 0
        default: throw .invalidArgument
        }
        request.set(u64: value, at: 8)
        try call.answer(request, machine)
    }

    /// `vm_assist`: `VMASST_TYPE_runstate_update_flag` (5) may be enabled; it is, always.
    ///
    /// - Throws: `.invalidArgument` for anything else.
    func vmAssist(_ call: Call) throws(XenError) {
        guard call.request.arguments[0] == 0, call.second == 5 else { throw .invalidArgument }
    }
}
