import BootArena
import GuestRuntime
import StoreCore
import SystemManifest

/// Following the policy: another one came into force while the store runs.
extension StoreServer {
    /// Asks for all decisions of the policy in force, and takes back what it no longer permits:
    /// watches, transactions and what nodes permit. A directory or subtree that it does not have is
    /// closed to everybody; one that it adds is laid out when the store starts anew.
    ///
    /// - Parameter manifest: the one that the store was made from.
    /// - Returns: false when it is not done: the policy changes again, or the hypervisor does not
    ///   answer. Nobody is served until it is.
    /// - Complexity: the bytes of the manifest in force, one hypercall for each compartment and
    ///   each label, and all that the store keeps.
    mutating func follow<M: ServiceMachine & ~Copyable>(
        _ manifest: borrowing SystemManifest, _ machine: inout M
    ) -> Bool {
        let next = machine.policySequence()
        guard let size = StoreServer.readManifest(into: &nextManifest, next, &machine) else {
            return false
        }
        guard
            StoreServer.adopt(&core, &authority, manifest, nextManifest, size, &machine)
        else { return false }
        // Each is taken away: there is an end.
        while core.nextRevocation() != nil { revokedCount += 1 }
        sequence = next
        return true
    }

    /// Reads the manifest in force.
    ///
    /// - Returns: its size; 0 when it is longer than there is room for; nil when it cannot be read
    ///   whole now.
    private static func readManifest<M: ServiceMachine & ~Copyable>(
        into table: inout ArenaTable<UInt8>, _ sequence: UInt32, _ machine: inout M
    ) -> Int? {
        var size = 0
        var total = 1
        while size < total {
            guard let part = machine.manifestPart(at: size), part.sequence == sequence,
                part.count > 0
            else { return nil }
            total = part.total
            guard total <= table.count, part.count <= total - size else { return 0 }
            for index in 0..<part.count { table[size + index] = part.bytes[index] }
            size += part.count
        }
        return size
    }

    /// Puts what the manifest in force says in the place of what was known; what cannot be read
    /// permits nothing.
    private static func adopt<M: ServiceMachine & ~Copyable>(
        _ core: inout StoreCore, _ authority: inout ServiceAuthority,
        _ manifest: borrowing SystemManifest, _ table: borrowing ArenaTable<UInt8>, _ size: Int,
        _ machine: inout M
    ) -> Bool {
        do throws(SystemManifestError) {
            let present = try SystemManifest(
                validating: table.span.extracting(first: size), accepting: ManifestFeature.known)
            guard present.compartmentCount == manifest.compartmentCount else {
                return close(&core, &authority)
            }
            authority.refresh(manifest, present, &machine)
            guard reload(&core, authority) else { return close(&core, &authority) }
            do throws(StoreServiceError) {
                try limit(&core, manifest, as: present)
                return true
            } catch { return close(&core, &authority) }
        } catch { return close(&core, &authority) }
    }

    private static func close(
        _ core: inout StoreCore, _ authority: inout ServiceAuthority
    ) -> Bool {
        authority.deny()
        return reload(&core, authority)
    }

    private static func reload(
        _ core: inout StoreCore, _ authority: borrowing ServiceAuthority
    ) -> Bool {
        do throws(StoreSetupError) {
            try core.reload(
                authority, root: StoreLabel(index: 0), translation: authority.translation)
            return true
        } catch { return false }
    }
}
