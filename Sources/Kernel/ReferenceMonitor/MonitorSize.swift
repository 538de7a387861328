import BootArena
import PolicyDatabase
import SystemManifest

/// How much a system has of what the monitor tabulates: what its tables are sized by.
///
/// Numbers come from validated counts of policy and manifest, each at most a few ten thousand, so
/// that no sum or product of them overflows.
struct MonitorSize {
    let compartments: Int
    let subtrees: Int
    let directories: Int
    let deviceRanges: Int
    let devices: Int
    /// The most ends of event channels that the manifest accounts for.
    let ends: Int
    /// The most permissions on subtrees, each counted for each compartment.
    let subtreePermissions: Int
    /// The types and attributes of the policy, and its rules.
    let types: Int
    let rules: Int

    init(_ policy: borrowing PolicyDatabase, _ manifest: borrowing SystemManifest) {
        compartments = manifest.compartmentCount
        subtrees = manifest.subtreeCount
        directories = manifest.directoryCount
        deviceRanges = manifest.deviceRangeCount
        devices = manifest.deviceCount
        var ends = compartments
        for index in 0..<manifest.compartmentCount {
            ends += 2 * manifest.compartment(at: index).usedServices.nonzeroBitCount
        }
        self.ends = ends + 2 * manifest.channelCount
        var permissions = 0
        for index in 0..<manifest.subtreeCount {
            let subtree = manifest.subtree(at: index)
            for other in 0..<manifest.compartmentCount {
                if subtree.isRead(by: other) || subtree.isWritten(by: other) { permissions += 9 }
            }
        }
        subtreePermissions = permissions
        types = policy.typeCount
        var rules = 0
        var reader = policy.allowRules
        while reader.next() != nil { rules += 1 }
        self.rules = rules
    }

    /// The first of the labels that belong to subtrees.
    var firstSubtree: Int { compartments + 1 }
    /// The first of the labels that belong to directories of channels.
    var firstDirectory: Int { firstSubtree + subtrees }
    /// The first of the labels that belong to ranges of devices.
    var firstDeviceRange: Int { firstDirectory + directories }
    /// The first of the labels that belong to devices, as PCI functions.
    var firstDevice: Int { firstDeviceRange + deviceRanges }
    /// The label of the policy itself.
    var policy: Int { firstDevice + devices }
    /// The label to which nothing is permitted.
    var denied: Int { policy + 1 }
    /// The first of the labels of event channels.
    var firstEnd: Int { denied + 1 }
    /// The most labels: at most 512 + 1,024 + 8,192 + 4,096 + 1,024 + 3 + 13,824 of them, which
    /// fit into 16 bits.
    var labels: Int { firstEnd + ends }

    /// The most permissions that the manifest accounts for, counted for each label that has them.
    private var permissions: Int {
        256 * compartments + 16 * ends + 16 * directories + subtreePermissions
            + 16 * (deviceRanges + devices) + 1024
    }

    /// The number of cells that hold a number of permissions of different rows.
    ///
    /// Half of them may stay empty, so that a place is found for each column.
    static func cells(rows: Int, permissions: Int) -> Int {
        var count = 1024
        while count < rows * Permission.positionCount || count < 2 * permissions { count *= 2 }
        return count
    }

    /// The number of places: a power of two that is not below the number of labels.
    static func places(labels: Int) -> Int {
        var count = 16
        while count < labels { count *= 2 }
        return count
    }

    /// The arena that suffices, in bytes.
    var arenaSizeInBytes: Int {
        let label =
            MemoryLayout<PreparedContext>.stride + LabelTable.bytesForLabel
            + RowBuilder.bytesForLabel
        let type = MemoryLayout<PreparedType>.stride + 2 + 4
        let width = compartments + 1
        let cells = MonitorSize.cells(rows: 2 * compartments + 4, permissions: permissions)
        return labels * label + (types + 2) * type + rules * MemoryLayout<AllowRule>.stride
            + width * width * 4 + MonitorSize.places(labels: labels) * 8 + cells * 2
            + (1 << 16) / 8 + 16 * 64
    }
}

/// Reserves a table, with the monitor's word for an arena that is too small or sealed.
func table<Element: BitwiseCopyable>(
    of count: Int, repeating value: Element, in arena: inout BootArena
) throws(ReferenceMonitorError) -> ArenaTable<Element> {
    do throws(BootArenaError) {
        return try arena.reserve(count: count, repeating: value)
    } catch {
        throw .arenaExhausted
    }
}
