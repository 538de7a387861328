import BootArena
import GuestRuntime
import PolicyDatabase
import ReferenceMonitor
import StoreCore

/// The hypervisor's rows, asked for once and kept as a table. Label 0 is the hypervisor's: as a
/// subject it is the store itself, laying out what the manifest declares, and no user is that.
struct ServiceAuthority: ~Copyable, StoreAuthority {
    private var vectors: ArenaTable<UInt32>
    /// The hypervisor's label and the compartments'.
    let labelCount: Int

    /// Asks for the decisions of class `xenstore` between all labels.
    ///
    /// - Throws: as the arena, which needs four bytes for each pair of labels.
    /// - Complexity: one hypercall for each pair.
    init<M: ServiceMachine & ~Copyable>(
        labelCount: Int, _ machine: inout M, arena: inout BootArena
    ) throws(BootArenaError) {
        var vectors = try arena.reserveZeros(count: labelCount * labelCount, of: UInt32.self)
        for subject in 1..<labelCount {
            for object in 0..<labelCount {
                vectors[subject * labelCount + object] =
                    machine.accessVector(subject: subject, object: object, class: .xenstore).bits
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
