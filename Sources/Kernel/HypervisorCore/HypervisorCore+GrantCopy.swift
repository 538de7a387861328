import BootArena
import ReferenceMonitor

/// Copying by grant: the hypervisor moves bytes between a frame of the caller's and a granted one,
/// or between two granted ones.
extension HypervisorCore {
    /// `GNTTABOP_copy`: a batch of copies, each with a status of its own.
    ///
    /// - Layout: 40 bytes each: source and dest of 16 bytes, each `u64 ref` or `gmfn`, `u16 domid`,
    ///   `u16 offset`; `u16 len` at 32, `u16 flags` at 34 (bit 0: source is a reference, bit 1:
    ///   dest is), then [hypervisor] `s16 status` at 36.
    /// - Throws: `.badAddress`; the requests before it are done, and perhaps its own.
    mutating func copyGrants(
        _ batch: GrantBatch, _ caller: DomainID, _ machine: inout some Hardware
    ) throws(XenError) -> HypercallResult {
        let share = batch.share(machine)
        for number in 0..<share {
            let place = batch.place(number, size: 40)
            let request = try machine.copyFromGuest(caller, at: place, count: 40)
            var status = GrantStatus.okay
            do throws(GrantStatus) {
                try copy(request, caller, &machine)
            } catch { status = error }
            var bytes = GuestBytes(count: 2)
            bytes.set(u16: UInt16(bitPattern: status.rawValue), at: 0)
            // WRAPS: as in `place`.
            try machine.copyToGuest(caller, at: GuestVirtualAddress(place.value &+ 36), bytes)
        }
        return batch.result(done: share, size: 40, machine)
    }

    /// One end of a copy, as the guest states it.
    private struct CopyEnd {
        let domain: DomainID
        let isReference: Bool
        let number: UInt64
        let offset: Int
    }

    /// Copies once.
    ///
    /// - Throws: `.badCopyArgument` when the bytes leave a page; `.generalError` for a flag that
    ///   does not exist; `.permissionDenied` for a frame of another domain, or by policy; else as
    ///   `acquire`. Nothing was copied then.
    private mutating func copy(
        _ request: borrowing GuestBytes, _ caller: DomainID, _ machine: inout some Hardware
    ) throws(GrantStatus) {
        let flags = request.u16(at: 34)
        guard flags & ~3 == 0 else { throw .generalError }
        let source = copyEnd(request, 0, isReference: flags & 1 != 0, caller)
        let target = copyEnd(request, 16, isReference: flags & 2 != 0, caller)
        var count = Int(request.u16(at: 32))
        let isWithin = source.offset + count <= 4096 && target.offset + count <= 4096
        if !isWithin, machine.omits(.checkCopyRange) {
            count = max(0, min(count, 4096 - max(source.offset, target.offset)))
        } else if !isWithin {
            throw .badCopyArgument
        }
        try authorizeEnds(source, target, caller, &machine)
        let from = try acquire(source, caller, writing: false, &machine)
        let to: CopyFrame
        do throws(GrantStatus) {
            to = try acquire(target, caller, writing: true, &machine)
        } catch {
            if let use = from.use { release(use, machine) }
            throw error
        }
        machine.copy(
            from: from.frame, offset: source.offset, to: to.frame, offset: target.offset,
            count: count)
        // ORDER: the bytes are in place before the owner can see that the copy is over.
        if !machine.omits(.releaseAfterCopy) {
            if let use = to.use { release(use, machine) }
            if let use = from.use { release(use, machine) }
        }
    }

    private func copyEnd(
        _ request: borrowing GuestBytes, _ start: Int, isReference: Bool, _ caller: DomainID
    ) -> CopyEnd {
        CopyEnd(
            domain: resolve(request.u16(at: start + 8), caller), isReference: isReference,
            number: isReference
                ? UInt64(request.u32(at: start)) : request.u64(at: start),
            offset: Int(request.u16(at: start + 10)))
    }

    /// Bytes go from the source to the caller, and from the caller to the target: what a third
    /// domain could do with two channels, it may do with one copy, and no more.
    private func authorizeEnds(
        _ source: CopyEnd, _ target: CopyEnd, _ caller: DomainID, _ machine: inout some Hardware
    ) throws(GrantStatus) {
        if source.isReference {
            try authorizeCopy(from: source.domain, to: caller, caller, &machine)
        } else if source.domain != caller {
            throw .permissionDenied
        }
        if target.isReference {
            try authorizeCopy(from: caller, to: target.domain, caller, &machine)
        } else if target.domain != caller {
            throw .permissionDenied
        }
    }

    /// A frame of a copy, and the use that it takes, if it is granted.
    private struct CopyFrame {
        let frame: MachineFrame
        let use: GrantUse?
    }

    private mutating func acquire(
        _ end: CopyEnd, _ caller: DomainID, writing: Bool, _ machine: inout some Hardware
    ) throws(GrantStatus) -> CopyFrame {
        guard end.isReference else {
            let place = GuestFrame(number: end.number)
            guard let frame = machine.ownedFrame(of: caller, at: place) else { throw .badPage }
            return CopyFrame(frame: frame, use: nil)
        }
        guard let grantor = index(of: end.domain) else { throw .permissionDenied }
        let reference = GrantReference(number: UInt32(truncatingIfNeeded: end.number))
        let use = try acquire(reference, of: grantor, for: caller, writing: writing, &machine)
        return CopyFrame(frame: use.frame, use: use)
    }
}
