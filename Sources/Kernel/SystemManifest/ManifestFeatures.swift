/// What a reader must understand before it uses a manifest: one bit for each thing that somebody
/// has to enforce.
///
/// A bit is set exactly when the manifest says such a thing, so a hypervisor that lacks one refuses
/// the file instead of ignoring a statement.
///
/// - Source: `docs/abi/manifest.md`, required features.
public enum ManifestFeature {
    /// The file carries a flow certificate.
    public static var certificate: UInt64 { 1 << 0 }
    /// A signal leads both ways.
    public static var twoWaySignals: UInt64 { 1 << 1 }
    /// A channel is a ring: grants.
    public static var rings: UInt64 { 1 << 2 }
    /// A channel is a directory of the store.
    public static var storeChannels: UInt64 { 1 << 3 }
    /// A channel is a block device.
    public static var blockChannels: UInt64 { 1 << 4 }
    /// A channel is a network.
    public static var networkChannels: UInt64 { 1 << 5 }
    /// A channel or subtree has a rate.
    public static var rates: UInt64 { 1 << 6 }
    /// The store serves, or is used.
    public static var storeService: UInt64 { 1 << 7 }
    /// The console serves, or is used.
    public static var consoleService: UInt64 { 1 << 8 }
    /// Control serves, or is used.
    public static var controlService: UInt64 { 1 << 9 }
    /// The TPM serves, or is used.
    public static var tpmService: UInt64 { 1 << 10 }
    /// Audit serves, or is used.
    public static var auditService: UInt64 { 1 << 11 }
    /// Compartments share a subtree of the store.
    public static var storeSubtrees: UInt64 { 1 << 12 }
    /// A compartment has I/O ports.
    public static var devices: UInt64 { 1 << 13 }
    /// A compartment has a PCI function.
    public static var pciDevices: UInt64 { 1 << 14 }
    /// A compartment has a share of the processor's time.
    public static var fairSchedule: UInt64 { 1 << 15 }
    /// A compartment has a slot of every frame.
    public static var fixedSchedule: UInt64 { 1 << 16 }
    /// A compartment does not start by itself.
    public static var manualStart: UInt64 { 1 << 17 }
    /// A compartment starts after another.
    public static var startOrder: UInt64 { 1 << 18 }
    /// A compartment is started again after it failed.
    public static var restart: UInt64 { 1 << 19 }
    /// A compartment has no console.
    public static var noConsole: UInt64 { 1 << 20 }
    /// A compartment may pass something on against the levels.
    public static var exemptions: UInt64 { 1 << 21 }
    /// A compartment is of higher integrity than another.
    public static var integrity: UInt64 { 1 << 22 }
    /// A compartment may load a policy.
    public static var policyLoading: UInt64 { 1 << 23 }
    /// A compartment may relabel.
    public static var relabelling: UInt64 { 1 << 24 }
    /// The certificate proves more than `never` without exceptions.
    public static var furtherClaims: UInt64 { 1 << 25 }
    /// A compartment has more than 3,840 MiB of memory.
    public static var largeMemory: UInt64 { 1 << 26 }
    /// A compartment has interrupts or I/O memory.
    public static var interruptsAndMemory: UInt64 { 1 << 27 }
    /// A user of the store has a quota of its own.
    public static var storeQuotas: UInt64 { 1 << 28 }

    /// All that have a meaning.
    public static var known: UInt64 { (1 << 29) - 1 }

    /// Those that the records themselves call for; the others are said by the certificate.
    static var ofRecords: UInt64 { known & ~(certificate | furtherClaims) }

    /// What this version of the hypervisor enforces. It refuses a manifest with any other bit, and
    /// `casemate build` refuses the statements that would set one.
    public static var enforcedByHypervisor: UInt64 {
        certificate | twoWaySignals | rings | storeService | consoleService | fairSchedule
            | fixedSchedule | exemptions | integrity | furtherClaims
            | manualStart | startOrder | restart | noConsole | controlService
            | auditService | devices | rates | storeSubtrees | storeQuotas | policyLoading
            | relabelling | tpmService | largeMemory | interruptsAndMemory
    }
}

/// The most memory of a compartment that needs no feature bit: 3,840 MiB, what a guest's map has
/// below the devices' window.
public let ordinaryMemorySize: UInt64 = 3840 << 20
