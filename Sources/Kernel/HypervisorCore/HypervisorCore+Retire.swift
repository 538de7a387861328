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
    public mutating func retire<M: Machine & ~Copyable>(_ domain: DomainID, _ machine: inout M) {
        guard let index = index(of: domain), domains[index].life.hasStopped else { return }
        if machine.omits(.retireBoth) { return }
        dropMappings(of: index, &machine)
        for other in domains.indices where other != index {
            sever(grantee: other, grantor: index, &machine)
        }
        for number in 1..<Domain.portCount {
            endPort(domain, EventChannelPort(number: UInt32(number)), &machine)
        }
        announceLives(&machine)
    }

    /// Takes every frame of `grantor`'s from `grantee`, and puts a blank page of the grantee's own
    /// in its place. The handles stay until they are unmapped.
    ///
    /// - Complexity: the grantee's handles, if it maps any frame of the grantor's.
    public mutating func sever<M: Machine & ~Copyable>(
        grantee: Int, grantor: Int, _ machine: inout M
    ) {
        guard grants.used(grantee: grantee, grantor: grantor) > 0 else { return }
        let owner = domains[grantor].id
        let holder = domains[grantee]
        for handle in 0..<UInt32(grants.handleCount) {
            guard let index = grants.index(grantee, handle) else { continue }
            let mapping = grants.mappings[index]
            guard mapping.state == .live, mapping.grantor == owner else { continue }
            machine.remapForeign(holder.id, holder.blank, at: mapping.place)
            grants.mappings[index].state = .closing
        }
        if !machine.omits(.flushAfterSever) { machine.flushTranslations(of: holder.id) }
        for handle in 0..<UInt32(grants.handleCount) {
            guard let index = grants.index(grantee, handle),
                grants.mappings[index].state == .closing
            else { continue }
            // ORDER: no processor reaches the frame any more.
            releaseMapping(grantee, grants.mappings[index], machine)
            grants.mappings[index].state = .severed
        }
    }

    /// Unmaps everything that a domain has mapped.
    private mutating func dropMappings<M: Machine & ~Copyable>(
        of holder: Int, _ machine: inout M
    ) {
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
            if mapping.state == .live { releaseMapping(holder, mapping, machine) }
            grants.close(holder, handle)
        }
    }

    /// Frees a port, whatever it is bound to; the far end waits for the domain again.
    mutating func endPort<M: Machine & ~Copyable>(
        _ domain: DomainID, _ port: EventChannelPort, _ machine: inout M
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
        commit(domain, port, .free, .hypervisor)
    }
}
