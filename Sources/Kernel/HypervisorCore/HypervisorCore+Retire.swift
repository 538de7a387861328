import BootArena
import ReferenceMonitor

/// The end of grants and ports that outlast nobody: when a domain stops, and when the policy no
/// longer permits a pair what it did.
extension HypervisorCore {
    /// Ends everything that a stopped domain shares, both ways: its mappings of others' frames,
    /// others' mappings of its frames, and its ports. What it had mapped is gone when this returns;
    /// who had mapped its frames finds a blank page of its own in their place, because its program
    /// is not to blame.
    ///
    /// - Complexity: its handles and ports, and the handles of those that map its frames.
    public mutating func retire(_ domain: DomainID, _ machine: inout some Hardware) {
        guard let index = index(of: domain), domains[index].life.hasStopped else { return }
        if machine.omits(.retireBoth) { return }
        dropMappings(of: index, &machine)
        for other in domains.indices where other != index {
            sever(grantee: other, grantor: index, &machine)
        }
        for number in 1..<Domain.portCount {
            for other in 1..<Domain.portCount where machine.omits(.boundEnd) {
                clearPending(domain, EventChannelPort(number: UInt32(other)), machine)
            }
            endPort(domain, EventChannelPort(number: UInt32(number)), &machine)
        }
        announceLives(&machine)
    }

    /// Takes every frame of `grantor`'s from `grantee`, and puts a blank page of the grantee's own
    /// in its place. The handles stay until they are unmapped.
    ///
    /// - Complexity: the mappings of the pair.
    public mutating func sever(grantee: Int, grantor: Int, _ machine: inout some Hardware) {
        for list in 0..<2 {
            // Each turn takes all that it may, or the last.
            for _ in 0...grants.handleCount / HypervisorCore.severLimit {
                let count = sever(
                    grantee: grantee, grantor: grantor, writable: list == 1,
                    limit: HypervisorCore.severLimit, isRevoked: false, &machine)
                if count < HypervisorCore.severLimit { break }
            }
        }
    }

    /// How many mappings one step severs, at most.
    static var severLimit: Int { 64 }

    /// Severs at most `limit` of the mappings of a pair that do the same.
    ///
    /// - Parameter isRevoked: whether each is entered in the list of what a new policy took.
    /// - Returns: how many.
    /// - Complexity: as many as it returns, and one flush.
    @inline(never)
    mutating func sever(
        grantee: Int, grantor: Int, writable: Bool, limit: Int, isRevoked: Bool,
        _ machine: inout some Hardware
    ) -> Int {
        let (holder, blank) = (domains[grantee].id, domains[grantee].blank)
        var handles = InlineArray<64, UInt32>(repeating: 0)
        var count = 0
        var next = grants.first(grantee: grantee, grantor: grantor, writable: writable)
        while count < min(limit, HypervisorCore.severLimit), let handle = next {
            next = grants.next(grantee, after: handle)
            guard let index = grants.index(grantee, handle) else { break }
            machine.remapForeign(holder, blank, at: grants.mappings[index].place)
            grants.mappings[index].state = .closing
            handles[count] = handle
            count += 1
        }
        guard count > 0 else { return 0 }
        if !machine.omits(.flushAfterSever) { machine.flushTranslations(of: holder) }
        for number in 0..<count {
            guard let index = grants.index(grantee, handles[number]) else { continue }
            // ORDER: no processor reaches the frame any more.
            releaseMapping(grantee, handles[number], grants.mappings[index], machine)
            grants.mappings[index].state = .severed
            if isRevoked {
                note(.mapping(handle: handles[number]), of: holder, with: domains[grantor].id)
            }
        }
        return count
    }

    /// Unmaps everything that a domain has mapped.
    private mutating func dropMappings(of holder: Int, _ machine: inout some Hardware) {
        let domain = domains[holder].id
        for handle in 0..<UInt32(grants.handleCount) {
            guard let index = grants.index(holder, handle),
                grants.mappings[index].state != .free
            else { continue }
            machine.unmapForeign(domain, at: grants.mappings[index].place)
        }
        if !machine.omits(.flushAfterUnmap) { machine.flushTranslations(of: domain) }
        for handle in 0..<UInt32(grants.handleCount) {
            guard let index = grants.index(holder, handle),
                grants.mappings[index].state != .free
            else { continue }
            // ORDER: no processor reaches the frame any more.
            let mapping = grants.mappings[index]
            if mapping.state == .live { releaseMapping(holder, handle, mapping, machine) }
            grants.close(holder, handle)
        }
    }

    /// Frees a port, whatever it is bound to; the far end waits for the domain again.
    @inline(never) mutating func endPort(
        _ domain: DomainID, _ port: EventChannelPort, _ machine: inout some Hardware
    ) {
        guard let index = index(of: domain), let number = channelIndex(port) else { return }
        let channel = domains[index].channels[number]
        if channel.isFree { return }
        if case .interdomain(let remote, let remotePort) = channel.binding,
            let remoteIndex = self.index(of: remote), let far = channelIndex(remotePort)
        {
            domains[remoteIndex].channels[far].binding = .unbound(remote: domain)
        }
        clearPending(domain, port, machine)
        commit(domain, port, .free)
    }
}
