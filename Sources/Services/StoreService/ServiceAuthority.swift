import BootArena
import GuestRuntime
import PolicyDatabase
import ReferenceMonitor
import StoreCore
import SystemManifest

/// The hypervisor's rows, asked for once and kept as a table. Label 0 is the hypervisor's: as a
/// subject it is the store itself, laying out what the manifest declares, and no user is that.
struct ServiceAuthority: ~Copyable, StoreAuthority {
    private var vectors: ArenaTable<UInt32>
    /// See `NodeLabels`.
    let labelCount: Int

    /// Asks for the decisions of class `xenstore` between all labels. Only compartments' are
    /// subjects.
    ///
    /// - Throws: as the arena, which needs four bytes for each pair of labels.
    /// - Complexity: one hypercall for each compartment and each label.
    init<M: ServiceMachine & ~Copyable>(
        _ manifest: borrowing SystemManifest, _ machine: inout M, arena: inout BootArena
    ) throws(BootArenaError) {
        let labelCount = NodeLabels.count(manifest)
        var vectors = try arena.reserveZeros(count: labelCount * labelCount, of: UInt32.self)
        for object in 0..<labelCount {
            let number = NodeLabels.hypervisorNumber(object, manifest)
            for subject in 1..<1 + manifest.compartmentCount {
                vectors[subject * labelCount + object] =
                    machine.accessVector(subject: subject, object: number, class: .xenstore).bits
            }
        }
        self.vectors = vectors
        self.labelCount = labelCount
    }

    func decide(
        subject: StoreLabel, object: StoreLabel, permission: Permission
    ) -> AccessDecision {
        guard subject.index != 0 else { return .allowed }
        let place = Int(subject.index) * labelCount + Int(object.index)
        guard place < vectors.count, Int(object.index) < labelCount else { return .denied }
        return AccessVector(bits: vectors[place]).contains(permission) ? .allowed : .denied
    }

    /// Yes: what a label may not read it may not know of.
    func isPresenceSecret(from subject: StoreLabel, object: StoreLabel) -> Bool { true }
}
