import BootArena
import Digests
import PolicyDatabase
public import SystemManifest

/// How far the replacement of the policy is, and what the last one took away.
///
/// - Invariant: *(one)* there is at most one at a time.
/// - Invariant: *(whole)* until `commit` nothing of the present policy has changed, and after it
///   nothing is decided by the old one.
public struct PolicyReload: ~Copyable {
    /// What comes next.
    package enum Phase: Equatable {
        /// Nobody loads anything.
        case idle
        /// The caller's bytes are copied.
        case copying
        /// The copy is to be examined, or somebody does it.
        case waiting
        /// It was examined.
        case examined
        /// It fits, and is to be measured.
        case measuring
        /// The TPM or its log did not take it.
        case notMeasured
        /// The new policy is in force, and what it forbids is taken away.
        case revoking
        /// That is done; the caller was not told yet.
        case done
    }

    /// Who loads what: the same call until it is done.
    struct Load: Equatable {
        var caller = DomainID(number: 0)
        var generation: UInt32 = 0
        var buffer: UInt64 = 0
        var size = 0
    }

    /// What there is to tell people.
    public enum Report {
        /// Nothing changed.
        case refused(ReloadRefusal)
        /// The new policy is in force, and everything that it forbids is gone.
        case done
    }

    package var phase = Phase.idle
    var load = Load()
    /// Who loads, or has loaded last.
    public var caller: DomainID { load.caller }
    var copied = 0
    /// nil while somebody examines it, or when nobody may load anything.
    var work: ReloadWork?
    /// Which policy is in force, from 1.
    public internal(set) var sequence: UInt32 = 1
    /// How long an archive can be, in bytes.
    let capacity: Int
    /// How much the last reload took away; of that, as many as there is room for are kept.
    public internal(set) var revokedCount = 0
    /// The next pair to be looked at.
    var cursor = 0
    /// Steps of the last revocation, and what they looked at: pairs, ports, mappings.
    public internal(set) var steps = (count: 0, looks: 0, most: 0)
    var report: Report?

    /// Makes the state in which nobody may load anything.
    init() { capacity = 0 }

    /// Makes the state in which nobody has loaded anything.
    @inline(never) public init(work: consuming ReloadWork) {
        capacity = work.staging.count
        self.work = consume work
    }

    /// What `body` finds in the work; nil while somebody examines it.
    func read<Answer>(_ body: (borrowing ReloadWork) -> Answer) -> Answer? {
        switch work {
        case .some(let work): body(work)
        case .none: nil
        }
    }

    /// What the last reload took away, in its order; at most those that were kept.
    public func revocation(at index: Int) -> Revocation? {
        guard index >= 0, index < revokedCount else { return nil }
        return read { index < $0.revocations.count ? $0.revocations[index] : nil } ?? nil
    }

    /// The manifest that is in force, if it came by a reload that has just been made.
    ///
    /// - Precondition: no other load has begun since `takeReport` said `.done`.
    public func withManifest(_ body: (Span<UInt8>, ManifestLayout) -> Void) {
        _ = read { work in
            guard case .fits(let member) = work.outcome else { return }
            body(work.staging.span.extracting(member.range), work.present.layout)
        }
    }

    mutating func add(_ revocation: Revocation) {
        if revokedCount < ReloadWork.revocationLimit {
            work?.revocations[revokedCount] = revocation
        }
        revokedCount += 1
    }

    /// Begins to copy.
    ///
    /// - Precondition: nobody examines the work.
    mutating func begin(_ load: Load) {
        self.load = load
        copied = 0
        phase = .copying
        work?.outcome = .notExamined
    }

    /// How many bytes one step copies.
    static var copyLimit: Int { 16 << 10 }

    /// Copies the next part of the caller's buffer, once: nobody reads it again.
    ///
    /// - Throws: `.badAddress`; the load is then at an end.
    mutating func copyPart(_ machine: borrowing some Hardware) throws(XenError) {
        let end = min(copied + PolicyReload.copyLimit, load.size)
        while copied < end {
            let count = min(GuestBytes.capacity, end - copied)
            // WRAPS: an address past the end is not mapped, and refused by the copy.
            let place = GuestVirtualAddress(load.buffer &+ UInt64(copied))
            let bytes: GuestBytes
            do throws(XenError) {
                bytes = try machine.copyFromGuest(load.caller, at: place, count: count)
            } catch {
                phase = .idle
                throw error
            }
            for index in 0..<count { work?.staging[copied + index] = bytes[index] }
            copied += count
        }
        guard copied == load.size else { return }
        work?.count = copied
        phase = .waiting
    }

    /// What the examination came to.
    var outcome: ReloadWork.Outcome { read { $0.outcome } ?? .notExamined }

    /// Whether the system that was examined changes a label.
    var relabels: Bool { read { $0.next.relabels($0.present) } ?? false }

    /// Whether somebody examines the work.
    var isLent: Bool { read { _ in false } ?? true }

    /// What the channels of a pair come to in the new system.
    func planned(_ pair: Int) -> PairPlan.Bounds { read { $0.plan[pair] } ?? PairPlan.Bounds() }

    /// How many ranges devices have.
    var deviceRangeCount: Int { read { $0.devices.count } ?? 0 }

    /// A range of a device.
    func device(at index: Int) -> DeviceRange? { read { $0.devices[index] } }

    /// Whether an event from one compartment to another was permitted by the policy before.
    func permittedBefore(_ permission: Permission, from source: Int, to target: Int) -> Bool {
        read { $0.wasPermitted(permission, from: source, to: target) } ?? false
    }

    /// Whether a permission of a compartment on itself, or on the hypervisor, was there before.
    func permittedBefore(_ permission: Permission, _ subject: Int, onHypervisor: Bool) -> Bool {
        read { $0.wasPermitted(permission, subject, onHypervisor: onHypervisor) } ?? false
    }
}
