import BootArena
import HypervisorCore

/// What must hold between any two operations; for simulations.
extension GrantTables {
    /// A mapping, as a test sees it.
    struct Sight: Equatable {
        /// Its holder's index, and its handle.
        let holder: Int
        let handle: UInt32
        /// The domain that granted, and the entry.
        let grantor: DomainID
        let reference: GrantReference
        /// Where its holder sees it, and what it may do.
        let place: GuestFrame
        let isWritable: Bool
        /// Whether a blank page has taken the frame's place.
        let isSevered: Bool
        /// The frame that the entry stands for.
        let frame: MachineFrame
    }

    /// The mapping behind a handle; nil when the handle is free.
    func sight(_ holder: Int, _ handle: UInt32) -> Sight? {
        guard let index = index(holder, handle), mappings[index].state != .free else {
            return nil
        }
        let mapping = mappings[index]
        guard let slot = slot(Int(mapping.grantor.number) - 1, mapping.reference) else {
            return nil
        }
        return Sight(
            holder: holder, handle: handle, grantor: mapping.grantor,
            reference: mapping.reference, place: mapping.place, isWritable: mapping.isWritable,
            isSevered: mapping.state == .severed, frame: active[slot].frame)
    }

    /// How many uses of an entry read, and how many write.
    func uses(
        _ grantor: Int, _ reference: GrantReference
    ) -> (readers: Int, writers: Int) {
        guard let slot = slot(grantor, reference) else { return (0, 0) }
        return (Int(active[slot].readers), Int(active[slot].writers))
    }

    /// Checks *(quota)* and *(handles)*, and that every live mapping is of an entry that its
    /// holder
    /// uses.
    ///
    /// - Returns: a sentence about the first thing that does not hold.
    func brokenInvariant() -> String? {
        for holder in 0..<domainCount {
            var live = [Int](repeating: 0, count: domainCount)
            var taken = 0
            for handle in 0..<UInt32(handleCount) {
                guard let index = index(holder, handle) else { continue }
                let mapping = mappings[index]
                if mapping.state == .free { continue }
                taken += 1
                if mapping.state == .closing { return "a mapping stayed half closed" }
                if mapping.state == .severed { continue }
                let grantor = Int(mapping.grantor.number) - 1
                live[grantor] += 1
                guard let slot = slot(grantor, mapping.reference) else {
                    return "a mapping has no entry"
                }
                let entry = active[slot]
                if Int(entry.grantee.number) - 1 != holder {
                    return "an entry has two grantees"
                }
                if mapping.isWritable ? entry.writers == 0 : entry.readers == 0 {
                    return "a mapping outlives its grant"
                }
            }
            for grantor in 0..<domainCount {
                let count = UInt32(live[grantor])
                if count != used(grantee: holder, grantor: grantor) { return "used is wrong" }
                if count > quota(grantee: holder, grantor: grantor) { return "quota exceeded" }
            }
            if freeCount(holder) != handleCount - taken { return "the free handles are wrong" }
        }
        return nil
    }

    /// The length of the list of free handles; −1 when it has no end.
    private func freeCount(_ holder: Int) -> Int {
        var count = 0
        var next = nextHandle(holder)
        while let handle = next, let index = index(holder, handle) {
            count += 1
            if count > handleCount || mappings[index].state != .free { return -1 }
            next =
                mappings[index].nextFree < UInt32(handleCount) ? mappings[index].nextFree : nil
        }
        return count
    }
}
