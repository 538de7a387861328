internal import EventLog

/// Which registers a quote is over.
///
/// - Source: attestation/pcr-plan.md.
public enum QuotePlan {
    /// What firmware (0 to 7) and boot loader (8 and 9) extend.
    static let bootChain: [UInt32] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    /// What the hypervisor extends before any compartment runs.
    static let atBoot = [PCRIndex.policy.rawValue, PCRIndex.compartments.rawValue]
    /// What the hypervisor extends.
    static let ours = atBoot + [PCRIndex.changes.rawValue]

    /// The registers of a quote, rising, with or without those that were extended before the
    /// hypervisor ran.
    static func registers(withBootChain: Bool) -> [UInt32] {
        withBootChain ? bootChain + ours : ours
    }

    /// The registers that a machine's log explains: the boot chain's only if it has events of them.
    /// What is no log is given the hypervisor's registers; whoever appraises it refuses it.
    public static func registers(explaining log: [UInt8]) -> [UInt32] {
        let entries = (try? EventLog<Unverified>(validating: log))?.entries ?? []
        return registers(withBootChain: entries.contains { bootChain.contains($0.pcr) })
    }
}
