import BootArena
import PolicyDatabase
import ReferenceMonitor

/// One use of an entry: a mapping, or one end of a copy. It is given back exactly once.
struct GrantUse {
    /// The index of the domain that granted.
    let grantor: Int
    /// The entry.
    let reference: GrantReference
    /// Whether the use writes.
    let isWriting: Bool
    /// The frame that the entry stands for.
    let frame: MachineFrame
}

/// Beginning and ending the use of an entry, and what the policy says to it.
extension HypervisorCore {
    /// How often the hypervisor tries to change a word that its owner is changing.
    static var wordRetryLimit: Int { 16 }

    /// Begins a use: marks the entry in its owner's table, and looks the frame up, once.
    ///
    /// - Throws: `.badReference`; `.generalError` when the entry grants something else, to somebody
    ///   else, or less, or its owner does not leave it alone; `.badPage` when it does not name the
    ///   owner's memory; `.noSpace` when it is in use 65,535 times. Nothing changed then.
    mutating func acquire(
        _ reference: GrantReference, of grantor: Int, for grantee: DomainID, writing: Bool,
        _ machine: inout some Hardware
    ) throws(GrantStatus) -> GrantUse {
        var reference = reference
        if machine.omits(.checkReference) {
            reference = GrantReference(
                number: reference.number % UInt32(GrantTables.referenceCount))
        }
        // A domain that has stopped grants nothing.
        guard domains[grantor].life == .running, let slot = grants.slot(grantor, reference)
        else { throw .badReference }
        var entry = grants.active[slot]
        let count = writing ? entry.writers : entry.readers
        guard count < .max else { throw .noSpace }
        if entry.isInUse, entry.grantee != grantee, !machine.omits(.checkGrantee) {
            throw .generalError
        }
        let before = entry
        if !entry.isInUse || (writing && entry.writers == 0) {
            try mark(reference, of: grantor, for: grantee, writing: writing, machine)
        }
        if !before.isInUse || machine.omits(.keepFrame) {
            guard let frame = grantedFrame(reference, of: grantor, machine) else {
                if !machine.omits(.undoFailedMap) {
                    unmark(reference, of: grantor, entry: before, machine)
                }
                throw .badPage
            }
            entry.frame = frame
            entry.grantee = grantee
        }
        if writing { entry.writers += 1 } else { entry.readers += 1 }
        grants.active[slot] = entry
        frames.beginUse(grantor)
        return GrantUse(
            grantor: grantor, reference: reference, isWriting: writing, frame: entry.frame)
    }

    /// Ends a use: the last one of its kind takes the mark off the entry.
    mutating func release(_ use: GrantUse, _ machine: borrowing some Hardware) {
        guard let slot = grants.slot(use.grantor, use.reference) else { return }
        var entry = grants.active[slot]
        if use.isWriting {
            if entry.writers > 0 { entry.writers -= 1 }
        } else {
            if entry.readers > 0 { entry.readers -= 1 }
        }
        if machine.omits(.countEachMapping) { (entry.readers, entry.writers) = (0, 0) }
        unmark(use.reference, of: use.grantor, entry: entry, machine)
        grants.active[slot] = entry.isInUse ? entry : ActiveGrant()
        frames.endUse(use.grantor)
    }

    /// The frame that an entry names: the owner's memory, or one of its rings.
    private func grantedFrame(
        _ reference: GrantReference, of grantor: Int, _ machine: borrowing some Hardware
    ) -> MachineFrame? {
        let (page, offset) = entryPlace(reference, of: grantor)
        let named = GuestFrame(number: UInt64(machine.load32(page, offset: offset + 4)))
        let domain = domains[grantor]
        if named == domain.consoleGuestFrame { return domain.consoleRing }
        if named == domain.storeGuestFrame { return domain.storeRing }
        guard let frame = machine.ownedFrame(of: domain.id, at: named),
            frames.owns(grantor, frame)
        else { return nil }
        return frame
    }

    /// Marks an entry as being read, and written, if its owner permits that at this moment.
    ///
    /// - Throws: `.generalError`.
    private func mark(
        _ reference: GrantReference, of grantor: Int, for grantee: DomainID, writing: Bool,
        _ machine: borrowing some Hardware
    ) throws(GrantStatus) {
        let (page, offset) = entryPlace(reference, of: grantor)
        let limit =
            machine.omits(.boundRetries)
            ? HypervisorCore.wordRetryLimit * 64 : HypervisorCore.wordRetryLimit
        for _ in 0..<limit {
            let word = GrantWord(bits: machine.load32(page, offset: offset))
            let isOurs = word.grantee == grantee || machine.omits(.checkGrantee)
            let isPage = word.isWholePage || machine.omits(.refuseOtherKinds)
            let isEnough = !writing || !word.isReadOnly || machine.omits(.checkReadOnlyGrant)
            guard isOurs, isPage, isEnough else { throw .generalError }
            let wanted = word.inUse(writing: writing)
            let found = machine.compareExchange32(
                page, offset: offset, expected: word.bits, wanted.bits)
            if found == word.bits { return }
        }
        throw .generalError
    }

    /// Takes the marks off that `entry` does not need.
    private func unmark(
        _ reference: GrantReference, of grantor: Int, entry: ActiveGrant,
        _ machine: borrowing some Hardware
    ) {
        let (page, offset) = entryPlace(reference, of: grantor)
        if entry.writers == 0 {
            _ = machine.testAndClearBit(page, offset: offset, bit: GrantWord.writingBit)
        }
        if !entry.isInUse {
            _ = machine.testAndClearBit(page, offset: offset, bit: GrantWord.readingBit)
        }
    }

    /// Where an entry is in its owner's table.
    ///
    /// - Layout: `struct grant_entry_v1`: `u16 flags`, `u16 domid`, `u32 frame`.
    private func entryPlace(
        _ reference: GrantReference, of grantor: Int
    ) -> (page: MachineFrame, offset: Int) {
        let first = domains[grantor].grantFrames.number
        return (
            MachineFrame(number: first + UInt64(reference.number >> 9)),
            Int(reference.number & 511) * 8
        )
    }

    // MARK: Policy

    /// Authorizes the caller to map frames of `remote`: `map_read`, and `map_write` to write.
    ///
    /// - Returns: the remote's index.
    /// - Throws: `.permissionDenied`; also when there is no such domain. A record was made.
    func authorizeMap(
        of remote: DomainID, writing: Bool, _ caller: DomainID, _ machine: inout some Hardware
    ) throws(GrantStatus) -> Int {
        try authorizeGrant(GrantPermission.mapRead, remote, caller, .mapGrant, &machine)
        if writing {
            try authorizeGrant(GrantPermission.mapWrite, remote, caller, .mapGrant, &machine)
        }
        guard let grantor = index(of: remote) else { throw .permissionDenied }
        return grantor
    }

    /// Whether the caller may end a mapping of `grantor`'s: `unmap`.
    func mayUnmap(_ grantor: DomainID, _ caller: DomainID, _ machine: inout some Hardware) -> Bool {
        do throws(GrantStatus) {
            try authorizeGrant(GrantPermission.unmap, grantor, caller, .unmapGrant, &machine)
            return true
        } catch {
            return false
        }
    }

    private func authorizeGrant(
        _ permission: Permission, _ remote: DomainID, _ caller: DomainID,
        _ operation: HypercallOperation, _ machine: inout some Hardware
    ) throws(GrantStatus) {
        guard let remoteIndex = index(of: remote) else {
            _ = refuse(permission, caller, remote, operation, &machine)
            throw .permissionDenied
        }
        if machine.omits(.authorizeFirst) { return }
        do throws(XenError) {
            try authorize(
                domains[callerIndex(caller)].label, domains[remoteIndex].label, permission,
                caller, remote, operation, &machine)
        } catch { throw .permissionDenied }
    }

    /// Authorizes bytes to go from one domain to another by a copy that `caller` asked for:
    /// `copy`, from the label that is read to the label that is written.
    ///
    /// - Throws: `.permissionDenied`; also when there is no such domain. A record was made.
    func authorizeCopy(
        from source: DomainID, to target: DomainID, _ caller: DomainID,
        _ machine: inout some Hardware
    ) throws(GrantStatus) {
        let remote = source == caller ? target : source
        guard let from = index(of: source), let to = index(of: target) else {
            _ = refuse(GrantPermission.copy, caller, remote, .copyGrant, &machine)
            throw .permissionDenied
        }
        if machine.omits(.authorizeFirst) { return }
        do throws(XenError) {
            try authorize(
                domains[from].label, domains[to].label, GrantPermission.copy, caller, remote,
                .copyGrant, &machine)
        } catch { throw .permissionDenied }
    }
}
