import BootArena
import HypervisorCore

/// What must hold between any two operations; for simulations.
extension HypervisorCore {
    /// Whether a new policy is in force, and not everything that it forbids is gone yet.
    var isRevoking: Bool { reload.phase == .revoking }

    /// Lets a domain, by index, map further pages of another.
    mutating func allowMapping(grantee: Int, grantor: Int, pages: UInt32) {
        let present = grants.quota(grantee: grantee, grantor: grantor)
        grants.setQuota(grantee: grantee, grantor: grantor, pages: present + pages)
    }

    /// Checks that each port for another domain is in the list of its pair, once, and that
    /// nothing else is.
    ///
    /// - Returns: a sentence about the first thing that does not hold.
    func brokenList() -> String? {
        for index in domains.indices {
            var listed = 0
            for remote in domains.indices {
                var number = Int(domains[index].firstPorts[remote])
                var last = 0
                while number != 0 {
                    let channel = domains[index].channels[number]
                    listed += 1
                    if listed > Domain.portCount { return "a list of ports has no end" }
                    if channel.remote != domains[remote].id { return "a port is misplaced" }
                    if Int(channel.previous) != last { return "a list of ports is torn" }
                    (last, number) = (number, Int(channel.next))
                }
            }
            var ports = 0
            for number in 1..<Domain.portCount
            where domains[index].channels[number].remote != nil {
                ports += 1
            }
            if ports != listed { return "a port is in no list" }
        }
        return nil
    }
}
