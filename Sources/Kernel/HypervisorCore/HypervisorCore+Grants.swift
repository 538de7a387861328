import BootArena
import PolicyDatabase
import ReferenceMonitor

/// A part of a long call: its arguments lie one behind the other.
struct GrantBatch {
    /// The first structure.
    let address: GuestVirtualAddress
    /// How many there are.
    let count: UInt64

    /// Reads the second and third argument of `grant_table_op`.
    ///
    /// - Throws: `.invalidArgument` for a count that is negative as a C `int`.
    init(_ request: HypercallRequest) throws(XenError) {
        address = GuestVirtualAddress(request.arguments[1])
        count = request.arguments[2]
        guard count <= 0x7fff_ffff else { throw .invalidArgument }
    }

    /// How many of them one call does before the guest may be interrupted.
    static var limit: UInt64 { 64 }

    /// How many are done now.
    func share(_ machine: borrowing some Hardware) -> Int {
        let limit = machine.omits(.boundBatch) ? count : GrantBatch.limit
        return Int(truncatingIfNeeded: min(count, limit))
    }

    /// The address of structure `number`.
    func place(_ number: Int, size: Int) -> GuestVirtualAddress {
        // WRAPS: an address past the end is not mapped, and refused by the copy.
        GuestVirtualAddress(address.value &+ UInt64(number) &* UInt64(size))
    }

    /// The answer when `done` of them are done.
    func result(done: Int, size: Int, _ machine: borrowing some Hardware) -> HypercallResult {
        let left = count - min(count, UInt64(done))
        if left == 0 { return .finished(0) }
        return .unfinished(
            second: place(done, size: size).value,
            third: machine.omits(.advanceBatch) ? count : left)
    }
}

/// Mapping and unmapping foreign frames (Xen public `grant_table.h`). Grants are of version 1, maps
/// are for processors only: without an IOMMU there is nothing that a device could use.
extension HypervisorCore {
    /// The operations of `grant_table_op` on what other domains granted.
    ///
    /// - Throws: `.badAddress`, `.invalidArgument`; what was done before stays done.
    mutating func grantOperation(
        _ operation: HypercallOperation, _ call: Call, _ machine: inout some Hardware
    ) throws(XenError) -> HypercallResult {
        let batch = try GrantBatch(call.request)
        switch operation {
        case .mapGrant: return try mapGrants(batch, call.caller, &machine)
        case .unmapGrant: return try unmapGrants(batch, call.caller, &machine)
        case .copyGrant: return try copyGrants(batch, call.caller, &machine)
        default: throw .unknownOperation
        }
    }

    /// `GNTTABOP_map_grant_ref`: a batch of maps, each with a status of its own.
    ///
    /// - Layout: 32 bytes each: `u64 host_addr`, `u32 flags`, `u32 ref`, `u16 dom`, then
    ///   [hypervisor] `s16 status` at 18, `u32 handle` at 20, `u64 dev_bus_addr` at 24, always 0.
    /// - Throws: `.badAddress`; the request whose structure it was changed nothing.
    private mutating func mapGrants(
        _ batch: GrantBatch, _ caller: DomainID, _ machine: inout some Hardware
    ) throws(XenError) -> HypercallResult {
        let share = batch.share(machine)
        for number in 0..<share {
            let place = batch.place(number, size: 32)
            var request = try machine.copyFromGuest(caller, at: place, count: 32)
            var plan: GrantPlan?
            var status = GrantStatus.okay
            do throws(GrantStatus) {
                plan = try prepareMap(request, caller, &machine)
            } catch { status = error }
            request.set(u16: UInt16(bitPattern: status.rawValue), at: 18)
            request.set(u32: plan?.handle ?? .max, at: 20)
            request.set(u64: 0, at: 24)
            do throws(XenError) {
                try machine.copyToGuest(caller, at: place, request)
            } catch {
                if let plan { release(plan.use, machine) }
                throw error
            }
            if let plan { commit(plan, &machine) }
        }
        return batch.result(done: share, size: 32, machine)
    }

    /// Checks one map and takes what it needs.
    ///
    /// - Trust: `request` was copied from the guest once; nothing rereads it.
    /// - Throws: `.generalError` for a flag that is not offered, an address that is no page or
    ///   where
    ///   something is mapped, or a grant that does not permit it; `.permissionDenied`, also when
    ///   there is no such domain; `.noSpace`; `.badReference`; `.badPage`. Nothing changed then.
    private mutating func prepareMap(
        _ request: borrowing GuestBytes, _ caller: DomainID, _ machine: inout some Hardware
    ) throws(GrantStatus) -> GrantPlan {
        let flags = request.u32(at: 8)
        let isReadOnly = flags & 1 << 2 != 0
        let address = GuestPhysicalAddress(request.u64(at: 0))
        // `GNTMAP_host_map`, and `GNTMAP_readonly` if it likes; nothing else exists here.
        guard flags & ~(1 << 2) == 1 << 1, address.offsetInBytes == 0 else { throw .generalError }
        let remote = resolve(request.u16(at: 16), caller)
        let grantor = try authorizeMap(of: remote, writing: !isReadOnly, caller, &machine)
        let holder = callerIndex(caller)
        guard let handle = grants.nextHandle(holder) else { throw .noSpace }
        let isWithinQuota =
            grants.used(grantee: holder, grantor: grantor)
            < grants.quota(grantee: holder, grantor: grantor)
        guard isWithinQuota || machine.omits(.checkQuota) else { throw .noSpace }
        guard machine.canMapForeign(caller, at: address.frame) else { throw .generalError }
        let reference = GrantReference(number: request.u32(at: 12))
        let use = try acquire(
            reference, of: grantor, for: caller, writing: !isReadOnly, &machine)
        return GrantPlan(use: use, holder: holder, handle: handle, place: address.frame)
    }

    /// Enters a map into the page tables. Cannot fail.
    private mutating func commit(_ plan: GrantPlan, _ machine: inout some Hardware) {
        let use = plan.use
        let isWritable = use.isWriting || machine.omits(.mapReadOnly)
        machine.mapForeign(
            domains[plan.holder].id, use.frame, at: plan.place, writable: isWritable)
        grants.open(
            plan.holder,
            GrantMapping(
                isWritable: use.isWriting, grantor: domains[use.grantor].id,
                reference: use.reference, place: plan.place),
            grantor: use.grantor, keepsHandle: machine.omits(.takeHandle))
    }

    /// `GNTTABOP_unmap_grant_ref`: a batch of unmaps, each with a status of its own.
    ///
    /// First all of them leave the page tables, then every processor forgets them, and only then
    /// are
    /// the frames given back: at no moment can a frame be reached that is not in use.
    ///
    /// - Layout: 24 bytes each: `u64 host_addr`, `u64 dev_bus_addr`, `u32 handle`, then
    ///   [hypervisor] `s16 status` at 20.
    /// - Throws: `.badAddress`; the requests before it are done.
    private mutating func unmapGrants(
        _ batch: GrantBatch, _ caller: DomainID, _ machine: inout some Hardware
    ) throws(XenError) -> HypercallResult {
        let share = batch.share(machine)
        var done = 0
        // A simulation may leave the batch's bound out; the parts keep it all the same.
        while done < share {
            let part = min(share - done, Int(GrantBatch.limit))
            try unmapPart(batch, first: done, count: part, caller, &machine)
            done += part
        }
        return batch.result(done: share, size: 24, machine)
    }

    /// At most `GrantBatch.limit` unmaps.
    private mutating func unmapPart(
        _ batch: GrantBatch, first: Int, count: Int, _ caller: DomainID,
        _ machine: inout some Hardware
    ) throws(XenError) {
        let holder = callerIndex(caller)
        var closing = GrantClosing()
        var failure: XenError?
        for number in 0..<count {
            do throws(XenError) {
                let place = batch.place(first + number, size: 24)
                let request = try machine.copyFromGuest(caller, at: place, count: 24)
                closing.add(beginUnmap(request, holder, &machine))
            } catch {
                failure = error
                break
            }
        }
        if failure == nil || !machine.omits(.finishFailedBatch) {
            finish(closing, holder, &machine)
        }
        for number in 0..<closing.count {
            var bytes = GuestBytes(count: 2)
            bytes.set(u16: UInt16(bitPattern: closing.answers[number].status), at: 0)
            // WRAPS: as in `place`.
            let status = batch.place(first + number, size: 24).value &+ 20
            try machine.copyToGuest(caller, at: GuestVirtualAddress(status), bytes)
        }
        if let failure { throw failure }
    }

    /// Takes one mapping out of the page tables.
    private mutating func beginUnmap(
        _ request: borrowing GuestBytes, _ holder: Int, _ machine: inout some Hardware
    ) -> GrantClosing.Answer {
        let address = GuestPhysicalAddress(request.u64(at: 0))
        guard request.u64(at: 8) == 0 else { return GrantClosing.Answer(.badDeviceAddress) }
        var handle = request.u32(at: 16)
        if machine.omits(.checkHandle) { handle %= UInt32(grants.handleCount) }
        guard let index = grants.index(holder, handle) else {
            return GrantClosing.Answer(.badHandle)
        }
        let mapping = grants.mappings[index]
        let isOpen =
            mapping.state == .live || mapping.state == .severed
            || mapping.state == .closing && machine.omits(.closeHandleOnce)
        guard isOpen else { return GrantClosing.Answer(.badHandle) }
        // Both addresses 0: nothing is asked for, and nothing done.
        guard address.value != 0 else { return GrantClosing.Answer(.okay) }
        guard address.offsetInBytes == 0, address.frame == mapping.place else {
            return GrantClosing.Answer(.badAddress)
        }
        let caller = domains[holder].id
        if mapping.state == .live {
            guard mayUnmap(mapping.grantor, caller, &machine) else {
                return GrantClosing.Answer(.permissionDenied)
            }
        }
        grants.mappings[index].state = .closing
        if machine.omits(.flushBeforeRelease) { releaseMapping(holder, handle, mapping, machine) }
        machine.unmapForeign(caller, at: mapping.place)
        var answer = GrantClosing.Answer(.okay)
        answer.handle = handle
        answer.kind = mapping.state == .severed ? .severed : .live
        return answer
    }

    /// Has the processors forget what was unmapped, then gives frames and handles back.
    private mutating func finish(
        _ closing: borrowing GrantClosing, _ holder: Int, _ machine: inout some Hardware
    ) {
        guard closing.closesAny else { return }
        if !machine.omits(.flushAfterUnmap) { machine.flushTranslations(of: domains[holder].id) }
        for number in 0..<closing.count {
            let answer = closing.answers[number]
            guard answer.kind != .none, let index = grants.index(holder, answer.handle) else {
                continue
            }
            // ORDER: no processor reaches the frame any more.
            if answer.kind == .live, !machine.omits(.flushBeforeRelease) {
                releaseMapping(holder, answer.handle, grants.mappings[index], machine)
            }
            grants.close(holder, answer.handle)
        }
    }

    /// Gives back the use of a mapping that no processor can reach.
    @inline(never) mutating func releaseMapping(
        _ holder: Int, _ handle: UInt32, _ mapping: GrantMapping, _ machine: borrowing some Hardware
    ) {
        guard let grantor = index(of: mapping.grantor),
            let slot = grants.slot(grantor, mapping.reference)
        else { return }
        grants.uncount(holder, handle, grantor: grantor)
        let isWriting =
            machine.omits(.releaseWhatWasTaken) ? !mapping.isWritable : mapping.isWritable
        release(
            GrantUse(
                grantor: grantor, reference: mapping.reference, isWriting: isWriting,
                frame: grants.active[slot].frame), machine)
    }
}

/// A map that can be entered.
struct GrantPlan {
    let use: GrantUse
    let holder: Int
    let handle: UInt32
    let place: GuestFrame
}

/// What one part of a batch of unmaps has come to so far.
struct GrantClosing: ~Copyable {
    /// What one unmap came to.
    struct Answer: BitwiseCopyable {
        /// What it has taken out of the page tables.
        enum Kind: UInt8, BitwiseCopyable { case none, live, severed }

        /// The mapping that it closes, if it does.
        var handle: UInt32 = 0
        var status: Int16
        var kind = Kind.none

        init(_ status: GrantStatus) { self.status = status.rawValue }
    }

    private let place = InPlace()
    private(set) var answers = InlineArray<64, Answer>(repeating: Answer(.okay))
    private(set) var count = 0
    /// Whether anything was taken out of the page tables.
    private(set) var closesAny = false

    mutating func add(_ answer: Answer) {
        answers[count] = answer
        count += 1
        closesAny = closesAny || answer.kind != .none
    }
}
