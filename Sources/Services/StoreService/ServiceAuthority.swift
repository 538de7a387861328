import BootArena
import GuestRuntime
import PolicyDatabase
import ReferenceMonitor
import StoreCore
import SystemManifest

/// The hypervisor's rows, asked for once for each policy and kept as a table. Label 0 is the
/// hypervisor's: as a subject it is the store itself, laying out what the manifest declares, and no
/// user is that.
struct ServiceAuthority: ~Copyable, StoreAuthority {
    private var vectors: ArenaTable<UInt32>
    /// Each label's own number.
    private let numbers: ArenaTable<UInt16>
    /// The hypervisor's number of each label, by the manifest in force; 0 of what is not there.
    private var places: ArenaTable<UInt16>
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
        let vectors = try arena.reserveZeros(count: labelCount * labelCount, of: UInt32.self)
        var numbers = try arena.reserveZeros(count: labelCount, of: UInt16.self)
        for label in numbers.indices { numbers[label] = UInt16(truncatingIfNeeded: label) }
        let places = try arena.reserveZeros(count: labelCount, of: UInt16.self)
        self.vectors = vectors
        self.numbers = numbers
        self.places = places
        self.labelCount = labelCount
        refresh(manifest, manifest, &machine)
    }

    /// Asks for all decisions anew.
    ///
    /// - Parameters:
    ///   - manifest: the one that the store was made from.
    ///   - present: the one in force, of the same compartments.
    /// - Complexity: as `init`.
    mutating func refresh<M: ServiceMachine & ~Copyable>(
        _ manifest: borrowing SystemManifest, _ present: borrowing SystemManifest,
        _ machine: inout M
    ) {
        for object in 0..<labelCount {
            let number = NodeLabels.hypervisorNumber(object, manifest, in: present)
            places[object] = UInt16(truncatingIfNeeded: number ?? 0)
            for subject in 1..<1 + manifest.compartmentCount {
                var bits: UInt32 = 0
                if let number {
                    bits =
                        machine.accessVector(subject: subject, object: number, class: .xenstore)
                        .bits
                }
                vectors[subject * labelCount + object] = bits
            }
        }
    }

    /// The hypervisor's number of a label, for its records; that of its own for what the manifest
    /// in force does not have.
    func hypervisorNumber(_ label: StoreLabel) -> Int {
        Int(label.index) < labelCount ? Int(places[Int(label.index)]) : 0
    }

    /// Every label by its own number: a policy changes what is permitted, not what is there.
    var translation: Span<UInt16> {
        @_lifetime(borrow self) get { numbers.span }
    }

    /// Denies everything to everybody but the store itself.
    mutating func deny() {
        for index in vectors.indices { vectors[index] = 0 }
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
